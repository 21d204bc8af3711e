/* The demo app's server. */
#include "bench/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/opt.h"

#define APP_MAGIC    0xa9900001u
#define ANSWER_MAGIC 0xa9900002u

/* A client that keeps its connection without a request, in seconds. */
#define IDLE_TIMEOUT 300
#define HEAD_MAX     (64 * 1024)
/* What is being written at the stop may take this long. */
#define LAST_WRITES_MS 1000

struct app {
	unsigned magic;
	const struct app_options *options;
	struct event_base *base;
	struct evhttp *http;
	struct evhttp_bound_socket *bound; /* NULL once it is stopping */
	struct event *stop_on[2];
	uint64_t ready_us;
	uint64_t random;
	unsigned inflight; /* not yet written */
};

/* A request that waits for its delay. */
struct answer {
	unsigned magic;
	struct app *app;
	struct evhttp_request *request;
	struct event *timer;
};

/* splitmix64: any seed will do. */
static uint64_t
next_random(struct app *app)
{
	uint64_t z = app->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static bool
fails(struct app *app, struct evhttp_request *request)
{
	const struct app_options *o = app->options;
	const char *agent = evhttp_find_header(
	    evhttp_request_get_input_headers(request), "User-Agent");

	if (o->fail_agent == NULL || agent == NULL ||
	    strstr(agent, o->fail_agent) == NULL)
		return false;
	return next_random(app) % OPT_PERCENT_MAX < o->fail_rate;
}

static void
finish_if_done(struct app *app)
{
	if (app->bound == NULL && app->inflight == 0)
		event_base_loopbreak(app->base);
}

static void
on_written(struct evhttp_request *request, void *arg)
{
	struct app *app = arg;

	(void)request;
	CHECK_OBJ(app, APP_MAGIC);
	app->inflight--;
	finish_if_done(app);
}

/* `status` is the application's word, code is HTTP's. */
static void
send_answer(struct app *app, struct evhttp_request *request, int code,
    const char *status)
{
	struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evhttp_request_get_output_buffer(request);
	char text[256], length[24];
	int n;

	n = snprintf(text, sizeof text,
	    "{\"appVersion\":\"%.128s\",\"status\":\"%s\"}",
	    app->options->version, status);
	snprintf(length, sizeof length, "%d", n);
	evhttp_add_header(fields, "Content-Type", "application/json");
	evhttp_add_header(fields, "Content-Length", length);
	evhttp_add_header(fields, "X-App-Version", app->options->version);
	if (app->bound == NULL)
		evhttp_add_header(fields, "Connection", "close");
	/* evhttp would send it after the head of an answer to HEAD. */
	if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
		evbuffer_add(body, text, (size_t)n);

	/* With its connection gone it is freed, and nothing is written. */
	if (evhttp_request_get_connection(request) == NULL)
		on_written(request, app);
	else
		evhttp_request_set_on_complete_cb(request, on_written, app);
	evhttp_send_reply(request, code, NULL, NULL);
}

static void
answer_now(struct app *app, struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	char code[24];

	if (clock_now_us() < app->ready_us)
		send_answer(app, request, HTTP_SERVUNAVAIL, "starting");
	else if (path != NULL && strcmp(path, "/healthz") == 0)
		send_answer(app, request, HTTP_OK, "200");
	else if (fails(app, request)) {
		int status = (int)app->options->fail_status;

		snprintf(code, sizeof code, "%d", status);
		/* The soft failure: an error in words, not in the status. */
		send_answer(
		    app, request, status, status == HTTP_OK ? "500" : code);
	} else
		send_answer(app, request, HTTP_OK, "200");
}

static void
on_delay_over(evutil_socket_t fd, short events, void *arg)
{
	struct answer *answer = arg;

	(void)fd;
	(void)events;
	CHECK_OBJ(answer, ANSWER_MAGIC);
	answer_now(answer->app, answer->request);
	event_free(answer->timer);
	answer->magic = 0;
	free(answer);
}

static bool
answer_later(struct app *app, struct evhttp_request *request)
{
	uint64_t ms = app->options->delay_ms;
	struct timeval delay = {
	    (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	struct answer *answer = calloc(1, sizeof *answer);

	if (answer == NULL)
		return false;
	answer->magic = ANSWER_MAGIC;
	answer->app = app;
	answer->request = request;
	answer->timer = evtimer_new(app->base, on_delay_over, answer);
	if (answer->timer == NULL || event_add(answer->timer, &delay) != 0) {
		if (answer->timer != NULL)
			event_free(answer->timer);
		free(answer);
		return false;
	}
	return true;
}

static void
on_request(struct evhttp_request *request, void *arg)
{
	struct app *app = arg;

	CHECK_OBJ(app, APP_MAGIC);
	app->inflight++;
	if (app->options->delay_ms == 0 || !answer_later(app, request))
		answer_now(app, request);
}

static void
on_stop(evutil_socket_t fd, short events, void *arg)
{
	struct app *app = arg;
	uint64_t ms = app->options->delay_ms + LAST_WRITES_MS;
	struct timeval last = {
	    (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	(void)fd;
	(void)events;
	CHECK_OBJ(app, APP_MAGIC);
	if (app->bound == NULL) {
		event_base_loopbreak(app->base);
		return;
	}
	evhttp_del_accept_socket(app->http, app->bound);
	app->bound = NULL;
	event_base_loopexit(app->base, &last);
	finish_if_done(app);
}

static uint16_t
bound_port(const struct app *app)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;

	memset(&sa, 0, sizeof sa);
	getsockname(evhttp_bound_socket_get_fd(app->bound),
	    (struct sockaddr *)&sa, &len);
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

static int
app_listen(struct app *app)
{
	const struct app_options *o = app->options;
	bool v6 = strchr(o->address, ':') != NULL;

	errno = 0;
	app->bound = evhttp_bind_socket_with_handle(
	    app->http, o->address, (uint16_t)o->port);
	if (app->bound == NULL) {
		fprintf(stderr, "shunt app: cannot listen on %s port %u: %s\n",
		    o->address, (unsigned)o->port,
		    errno != 0 ? strerror(errno) : "no such address");
		return -1;
	}
	printf(v6 ? "listening on [%s]:%u\n" : "listening on %s:%u\n",
	    o->address, (unsigned)bound_port(app));
	fflush(stdout);
	return 0;
}

static int
app_start(struct app *app)
{
	static const int signals[2] = {SIGTERM, SIGINT};

	app->base = event_base_new();
	app->http = app->base != NULL ? evhttp_new(app->base) : NULL;
	if (app->http == NULL) {
		fprintf(stderr, "shunt app: out of memory\n");
		return -1;
	}
	evhttp_set_gencb(app->http, on_request, app);
	evhttp_set_timeout(app->http, IDLE_TIMEOUT);
	evhttp_set_max_headers_size(app->http, HEAD_MAX);
	for (size_t i = 0; i < 2; i++) {
		app->stop_on[i] =
		    evsignal_new(app->base, signals[i], on_stop, app);
		if (app->stop_on[i] == NULL ||
		    event_add(app->stop_on[i], NULL) != 0) {
			fprintf(stderr, "shunt app: cannot catch signals\n");
			return -1;
		}
	}
	return app_listen(app);
}

int
app_run(const struct app_options *options)
{
	struct app app = {
	    .magic = APP_MAGIC,
	    .options = options,
	    .ready_us = clock_now_us() + options->warmup_ms * 1000,
	    .random = options->seed,
	};
	int rc;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* meant for `shunt run`, same name */
	rc = app_start(&app);
	if (rc == 0)
		rc = event_base_dispatch(app.base);
	for (size_t i = 0; i < 2; i++)
		if (app.stop_on[i] != NULL)
			event_free(app.stop_on[i]);
	if (app.http != NULL)
		evhttp_free(app.http);
	if (app.base != NULL)
		event_base_free(app.base);
	return rc == 0 ? 0 : 1;
}
