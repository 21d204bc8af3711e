/* The run's counters in the Prometheus text format. */
#include "load/metrics.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "load/count.h"
#include "load/runner.h"
#include "load/trial.h"

#define METRICS_MAGIC 0x10ad0005u
#define LABEL_MAX     (2u * BOARD_NAME_MAX + 1u)
/* The histogram's bounds, as powers of two of nanoseconds: 65 us to 34 s. */
#define BOUND_MIN 16u
#define BOUND_MAX 35u

struct metrics {
	unsigned magic;
	const struct trial *trial;
	struct runner *const *runners;
	size_t n;
	struct evhttp *http;
};

/* Sums of all threads, put together for one answer. */
struct sums {
	struct board *names;
	struct score *cells[BOARD_VERSIONS][BOARD_PROFILES];
	struct histogram lag;
	uint64_t flips, opened, in_flight, bytes, resent;
};

static void
escape(const char *text, char out[LABEL_MAX])
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			*out++ = '\\';
		*out++ = *text;
	}
	*out = '\0';
}

static bool
add_board(struct sums *s, const struct board *b)
{
	for (unsigned v = 0; v < board_versions(b); v++) {
		unsigned at = board_version(s->names, span_of(b->names[v]));

		for (unsigned p = 0; p < b->nprofiles; p++) {
			const struct score *from = board_look(b, v, p);
			struct score **to = &s->cells[at][p];

			if (from == NULL)
				continue;
			if (*to == NULL)
				*to = calloc(1, sizeof **to);
			if (*to == NULL)
				return false;
			score_merge(*to, from);
		}
	}
	return true;
}

static void
sums_free(struct sums *s)
{
	for (unsigned v = 0; v < BOARD_VERSIONS; v++)
		for (unsigned p = 0; p < BOARD_PROFILES; p++)
			free(s->cells[v][p]);
	board_free(s->names);
	free(s);
}

static struct sums *
sums_new(const struct metrics *m)
{
	struct sums *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->names = board_new((unsigned)m->trial->profiles.n);
	for (size_t i = 0; s->names != NULL && i < m->n; i++) {
		struct runner_view view;

		runner_look(m->runners[i], &view);
		histogram_merge(&s->lag, view.lag);
		s->flips += view.flips;
		s->opened += view.opened;
		s->in_flight += view.in_flight;
		s->bytes += view.bytes;
		s->resent += view.resent;
		if (!add_board(s, view.board))
			break;
	}
	if (s->names != NULL)
		return s;
	sums_free(s);
	return NULL;
}

static void
head(struct evbuffer *out, const char *name, const char *type, const char *help)
{
	evbuffer_add_printf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
number(struct evbuffer *out, const char *name, const char *type,
    const char *help, double value)
{
	head(out, name, type, help);
	evbuffer_add_printf(out, "%s %.10g\n", name, value);
}

static void
requests_line(struct evbuffer *out, const char *labels, const struct score *s)
{
	evbuffer_add_printf(out, "shunt_load_requests_total{%s} %" PRIu64 "\n",
	    labels, count_get(&s->requests));
}

static void
errors_lines(struct evbuffer *out, const char *labels, const struct score *s)
{
	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		evbuffer_add_printf(out,
		    "shunt_load_errors_total{%s,kind=\"%s\"} %" PRIu64 "\n",
		    labels, failure_words[i], count_get(&s->failures[i]));
}

static void
latency_lines(struct evbuffer *out, const char *labels, const struct score *s)
{
	static const char name[] = "shunt_load_request_duration_seconds";
	uint64_t n = 0;

	for (unsigned bits = BOUND_MIN; bits <= BOUND_MAX; bits++) {
		n = histogram_below(&s->latency, bits);
		evbuffer_add_printf(out,
		    "%s_bucket{%s,le=\"%.12g\"} %" PRIu64 "\n", name, labels,
		    (double)(1ull << bits) / 1e9, n);
	}
	/* what is counted meanwhile must not make the last bucket smaller */
	if (count_get(&s->latency.n) > n)
		n = count_get(&s->latency.n);
	evbuffer_add_printf(out,
	    "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n"
	    "%s_count{%s} %" PRIu64 "\n%s_sum{%s} %.9g\n",
	    name, labels, n, name, labels, n, name, labels,
	    (double)count_get(&s->latency.sum_ns) / 1e9);
}

typedef void write_cell(
    struct evbuffer *out, const char *labels, const struct score *s);

static void
family(struct evbuffer *out, const struct metrics *m, const struct sums *s,
    write_cell *write)
{
	char version[LABEL_MAX], profile[LABEL_MAX];
	char labels[2 * LABEL_MAX + 32];

	for (unsigned v = 0; v < board_versions(s->names); v++)
		for (unsigned p = 0; p < m->trial->profiles.n; p++) {
			if (s->cells[v][p] == NULL)
				continue;
			escape(s->names->names[v], version);
			escape(m->trial->profiles.list[p].name, profile);
			snprintf(labels, sizeof labels,
			    "version=\"%s\",profile=\"%s\"", version, profile);
			write(out, labels, s->cells[v][p]);
		}
}

static void
write_all(struct evbuffer *out, const struct metrics *m, const struct sums *s)
{
	head(out, "shunt_load_requests_total", "counter",
	    "Requests that are over.");
	family(out, m, s, requests_line);
	head(out, "shunt_load_errors_total", "counter",
	    "Requests that failed, by kind.");
	family(out, m, s, errors_lines);
	head(out, "shunt_load_request_duration_seconds", "histogram",
	    "From the intended time to the end of the answer.");
	family(out, m, s, latency_lines);
	number(out, "shunt_load_in_flight", "gauge",
	    "Requests that are not over.", (double)s->in_flight);
	number(out, "shunt_load_flips_total", "counter",
	    "Users who changed back to a version.", (double)s->flips);
	number(out, "shunt_load_connections_total", "counter",
	    "Connections opened.", (double)s->opened);
	number(out, "shunt_load_received_bytes_total", "counter",
	    "Bytes received.", (double)s->bytes);
	number(out, "shunt_load_resent_total", "counter",
	    "Requests sent again, as their connections had ended.",
	    (double)s->resent);
	number(out, "shunt_load_lag_max_seconds", "gauge",
	    "The latest that a request was taken up after its time.",
	    (double)count_get(&s->lag.max_ns) / 1e9);
}

static void
metrics_on_request(struct evhttp_request *request, void *arg)
{
	struct metrics *m = arg;
	struct evbuffer *out = evbuffer_new();
	struct sums *s;

	CHECK_OBJ(m, METRICS_MAGIC);
	s = sums_new(m);
	if (out == NULL || s == NULL) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	} else {
		write_all(out, m, s);
		evhttp_add_header(evhttp_request_get_output_headers(request),
		    "Content-Type", "text/plain; version=0.0.4");
		evhttp_send_reply(request, HTTP_OK, "OK", out);
	}
	if (s != NULL)
		sums_free(s);
	if (out != NULL)
		evbuffer_free(out);
}

/*
 * One that closes its socket itself, when it polls it no longer. evhttp closes
 * it before: by then another thread may have got one of that number.
 */
static struct bufferevent *
new_requester(struct event_base *base, void *arg)
{
	(void)arg;
	return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

struct metrics *
metrics_serve(struct event_base *base, const char *address,
    const struct trial *trial, struct runner *const *runners, size_t n,
    char *why, size_t why_size)
{
	struct address a;
	char ip[64];
	struct metrics *m;

	if (!address_parse(span_of(address), &a) || address_is_unix(&a)) {
		snprintf(why, why_size, "--metrics: expected IP:PORT");
		return NULL;
	}
	m = calloc(1, sizeof *m);
	snprintf(why, why_size, "out of memory");
	if (m == NULL)
		return NULL;
	m->magic = METRICS_MAGIC;
	m->trial = trial;
	m->runners = runners;
	m->n = n;
	m->http = evhttp_new(base);
	address_ip(&a.sa, ip, sizeof ip);
	if (m->http != NULL) {
		evhttp_set_bevcb(m->http, new_requester, NULL);
		evhttp_set_allowed_methods(
		    m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
		if (evhttp_set_cb(m->http, "/metrics", metrics_on_request, m) ==
			0 &&
		    evhttp_bind_socket(
			m->http, ip, (uint16_t)address_port(&a)) == 0)
			return m;
		snprintf(
		    why, why_size, "--metrics: cannot listen at %s", address);
	}
	metrics_free(m);
	return NULL;
}

void
metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	CHECK_OBJ(m, METRICS_MAGIC);
	if (m->http != NULL)
		evhttp_free(m->http);
	m->magic = 0;
	free(m);
}
