/* Questions to name servers by what became of them, and the state of names. */
#include "admin/metrics_dns.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <stdlib.h>

#include "admin/metrics_lines.h"
#include "base/clock.h"
#include "control/control.h"
#include "control/discovery.h"

struct row {
	struct discovery_view view;
	char *labels; /* service="...",version="..." */
	uint64_t now_us;
};

static void
write_age(struct evbuffer *out, const char *name, const struct row *r)
{
	const struct discovery_view *v = &r->view;
	uint64_t since = v->good_us != 0 ? v->good_us : v->since_us;

	evbuffer_add_printf(out, "%s{%s,name=\"%s\"} %.3f\n", name, r->labels,
	    v->name, (double)(r->now_us - since) / 1000000.0);
}

static void
write_addresses(struct evbuffer *out, const char *name, const struct row *r)
{
	evbuffer_add_printf(out, "%s{%s,name=\"%s\"} %zu\n", name, r->labels,
	    r->view.name, r->view.addresses);
}

static void
write_resolved(struct evbuffer *out, const char *name, const struct row *r)
{
	evbuffer_add_printf(out, "%s{%s,name=\"%s\"} %d\n", name, r->labels,
	    r->view.name, r->view.state == NAME_GOOD);
}

static const struct family {
	const char *name, *help;
	void (*write)(
	    struct evbuffer *out, const char *name, const struct row *r);
} families[] = {
    {"shunt_dns_name_resolved", "1 when a name's last answer was good.",
	write_resolved},
    {"shunt_dns_name_age_seconds",
	"Since a name's last good answer, or, before the first, since it came "
	"into the config.",
	write_age},
    {"shunt_dns_name_addresses", "What a name resolves to.", write_addresses},
};

static void
write_queries(struct evbuffer *out, const struct discovery *d)
{
	static const char name[] = "shunt_dns_queries_total";

	metrics_head(out, name, "counter",
	    "Questions to name servers by what became of them.");
	for (int i = 0; i < DNS_OUTCOME_COUNT; i++)
		evbuffer_add_printf(out, "%s{outcome=\"%s\"} %" PRIu64 "\n",
		    name, dns_outcome_name((enum dns_outcome)i),
		    discovery_questions(d, (enum dns_outcome)i));
}

/* The caller frees; NULL without memory. */
static struct row *
rows_read(const struct discovery *d, size_t *n)
{
	struct discovery_view v;
	struct row *rows;
	size_t room = 0;

	*n = 0;
	while (discovery_get(d, room, &v))
		room++;
	rows = calloc(room + 1, sizeof *rows);
	for (; rows != NULL && *n < room; ++*n) {
		struct row *r = &rows[*n];

		discovery_get(d, *n, &r->view);
		r->now_us = clock_now_us();
		r->labels = metrics_labels(r->view.service, r->view.version);
	}
	return rows;
}

bool
metrics_dns(struct evbuffer *out, const struct control *control)
{
	const struct discovery *d = control_discovery(control);
	size_t n;
	struct row *rows = rows_read(d, &n);
	bool good = rows != NULL;

	for (size_t i = 0; good && i < n; i++)
		good = rows[i].labels != NULL;
	if (good && n > 0)
		write_queries(out, d);
	for (size_t f = 0;
	     good && n > 0 && f < sizeof families / sizeof families[0]; f++) {
		metrics_head(out, families[f].name, "gauge", families[f].help);
		for (size_t i = 0; i < n; i++)
			families[f].write(out, families[f].name, &rows[i]);
	}
	for (size_t i = 0; rows != NULL && i < n; i++)
		free(rows[i].labels);
	free(rows);
	return good;
}
