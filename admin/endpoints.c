/* The admin API's paths as data, and the dispatcher that walks them. */
#include "admin/endpoints.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdint.h>
#include <stdio.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/opt.h"

struct endpoint {
	enum evhttp_cmd_type method;
	const char *path; /* a segment of one capital is the call's argument */
	void (*handle)(struct call *c);
	const char *help;
};

static const struct endpoint endpoints[] = {
    {EVHTTP_REQ_GET, "/", index_get, "this list"},
    {EVHTTP_REQ_GET, "/healthz", healthz_get, "200 while the process lives"},
    {EVHTTP_REQ_GET, "/readyz", readyz_get, "200 while requests are accepted"},
    {EVHTTP_REQ_GET, "/metrics", metrics_get, "counters for Prometheus"},
    {EVHTTP_REQ_GET, "/api/v1/services", services_get, "all services"},
    {EVHTTP_REQ_GET, "/api/v1/services/S", service_get,
	"service S: versions, weights, error rates, pods"},
    {EVHTTP_REQ_PUT, "/api/v1/services/S/weights", weights_put,
	"shift weights: {\"v1\": 80, \"v2\": 20}; with ?void_sticky=1 "
	"cookies of versions set to 0 are void"},
    {EVHTTP_REQ_GET, "/api/v1/services/S/rollout", rollout_get,
	"what is being released, or was last; null when nothing ever was"},
    {EVHTTP_REQ_GET, "/api/v1/services/S/rollouts", rollouts_get,
	"all of them, newest first; ?limit=N"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/rollouts", rollouts_post,
	"release a version: {\"to\": \"v2\", \"strategy\": \"canary\"}"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/rollout/pause", rollout_pause,
	"go no step further"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/rollout/resume", rollout_resume,
	"go on"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/rollout/promote", rollout_promote,
	"the next step, whatever the gates say; all: {\"full\": true}"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/rollout/abort", rollout_abort,
	"back to the stable version; a no-op when nothing is under way"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/rollout/undo", rollout_undo,
	"release the stable version before once more"},
    {EVHTTP_REQ_POST, "/api/v1/explain", explain_post,
	"where a request goes, and why: {\"url\": \"http://shop.test/\"}"},
    {EVHTTP_REQ_GET, "/api/v1/services/S/versions/V/pods", pods_get,
	"the pods of version V: states, requests in flight, where from"},
    {EVHTTP_REQ_POST, "/api/v1/services/S/versions/V/pods", pods_post,
	"add one: {\"address\": \"10.0.0.1:8000\", \"weight\": 1}"},
    {EVHTTP_REQ_PATCH, "/api/v1/services/S/versions/V/pods/A", pod_patch,
	"{\"state\": \"drain\"}, ready or maint; ?wait=1&timeout=30s"},
    {EVHTTP_REQ_DELETE, "/api/v1/services/S/versions/V/pods/A", pod_delete,
	"drain it, then remove it; ?wait=1&timeout=30s"},
    {EVHTTP_REQ_POST, "/api/v1/reload", reload_post,
	"read the config file again"},
    {EVHTTP_REQ_GET, "/api/v1/diff", diff_get,
	"where what is in force differs from the config file"},
    {EVHTTP_REQ_GET, "/api/v1/events", events_get,
	"what happens, as server-sent events; ?after=ID for the past"},
};

#define ENDPOINTS (sizeof endpoints / sizeof endpoints[0])

static const struct {
	enum evhttp_cmd_type method;
	const char *name;
	bool writes;
} methods[] = {
    {EVHTTP_REQ_GET, "GET", false},
    {EVHTTP_REQ_HEAD, "HEAD", false},
    {EVHTTP_REQ_PUT, "PUT", true},
    {EVHTTP_REQ_POST, "POST", true},
    {EVHTTP_REQ_PATCH, "PATCH", true},
    {EVHTTP_REQ_DELETE, "DELETE", true},
    {EVHTTP_REQ_OPTIONS, "OPTIONS", false},
    {EVHTTP_REQ_TRACE, "TRACE", false},
    {EVHTTP_REQ_CONNECT, "CONNECT", false},
};

#define METHODS (sizeof methods / sizeof methods[0])

/* One segment per argument is taken from the path, still encoded. */
static bool
path_match(
    struct span pattern, struct span path, struct span *args, size_t *nargs)
{
	*nargs = 0;
	while (pattern.p != NULL && path.p != NULL) {
		struct span want = span_cut(&pattern, '/');
		struct span got = span_cut(&path, '/');

		if (want.n == 1 && want.p[0] >= 'A' && want.p[0] <= 'Z') {
			if (got.n == 0 || *nargs == CALL_ARGS_MAX)
				return false;
			args[(*nargs)++] = got;
		} else if (!span_eq(want, got))
			return false;
	}
	return pattern.p == NULL && path.p == NULL;
}

static const char *
method_name(enum evhttp_cmd_type method)
{
	for (size_t i = 0; i < METHODS; i++)
		if (methods[i].method == method)
			return methods[i].name;
	return "this method";
}

static bool
method_writes(enum evhttp_cmd_type method)
{
	for (size_t i = 0; i < METHODS; i++)
		if (methods[i].method == method)
			return methods[i].writes;
	return true;
}

/* "GET /a, PUT /b", for people who guessed wrong. */
static void
list_endpoints(char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ENDPOINTS && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s %s",
		    i > 0 ? ", " : "", method_name(endpoints[i].method),
		    endpoints[i].path);
}

static void
answer_not_found(struct call *c, struct span path)
{
	char known[4096], quoted[OPT_QUOTE_MAX];

	list_endpoints(known, sizeof known);
	opt_quote(path, quoted, sizeof quoted);
	call_error(
	    c, HTTP_NOTFOUND, "no such path: %s; there is: %s", quoted, known);
}

/* `allowed` is a set of methods; GET brings HEAD with it. */
static void
answer_wrong_method(struct call *c, unsigned allowed)
{
	struct evhttp_request *request = call_request(c);
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	char allow[64];
	size_t used = 0;

	if (allowed & EVHTTP_REQ_GET)
		allowed |= EVHTTP_REQ_HEAD;
	allow[0] = '\0';
	for (size_t i = 0; i < METHODS && used < sizeof allow; i++)
		if (allowed & methods[i].method)
			used +=
			    (size_t)snprintf(allow + used, sizeof allow - used,
				"%s%s", used > 0 ? ", " : "", methods[i].name);
	evhttp_add_header(
	    evhttp_request_get_output_headers(request), "Allow", allow);
	call_error(c, HTTP_BADMETHOD, "%s is not allowed here, only %s",
	    method_name(method), allow);
}

/* True when the call has been answered: a handler must not see it. */
static bool
refused(struct call *c, enum evhttp_cmd_type method)
{
	struct evhttp_request *request = call_request(c);
	struct evkeyvalq *fields = evhttp_request_get_input_headers(request);
	struct evbuffer *in = evhttp_request_get_input_buffer(request);

	/* Only browsers send it: no page of another site may change things. */
	if (method_writes(method) &&
	    evhttp_find_header(fields, "Origin") != NULL) {
		call_error(c, 403, "changes from web pages are refused");
		return true;
	}
	if (evbuffer_get_length(in) > CALL_BODY_MAX) {
		call_error(c, HTTP_ENTITYTOOLARGE,
		    "the body is larger than %u bytes", CALL_BODY_MAX);
		return true;
	}
	return false;
}

static void
run_endpoint(struct call *c, const struct endpoint *e,
    enum evhttp_cmd_type method, const struct span *args, size_t nargs)
{
	if (refused(c, method))
		return;
	for (size_t i = 0; i < nargs; i++)
		if (!call_set_arg(c, i, args[i])) {
			call_error(c, HTTP_BADREQUEST,
			    "the path is not percent-encoded text");
			return;
		}
	e->handle(c);
}

void
endpoints_dispatch(struct call *c)
{
	struct evhttp_request *request = call_request(c);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	const char *text = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	struct span path = span_of(text != NULL && *text ? text : "/");
	unsigned allowed = 0;

	for (size_t i = 0; i < ENDPOINTS; i++) {
		const struct endpoint *e = &endpoints[i];
		struct span args[CALL_ARGS_MAX];
		size_t nargs;

		if (!path_match(span_of(e->path), path, args, &nargs))
			continue;
		if (e->method == method || (e->method == EVHTTP_REQ_GET &&
					       method == EVHTTP_REQ_HEAD)) {
			run_endpoint(c, e, method, args, nargs);
			return;
		}
		allowed |= e->method;
	}
	if (allowed != 0)
		answer_wrong_method(c, allowed);
	else
		answer_not_found(c, path);
}

void
index_get(struct call *c)
{
	struct evbuffer *out = evbuffer_new();

	for (size_t i = 0; out != NULL && i < ENDPOINTS; i++)
		evbuffer_add_printf(out, "%-6s %-38s %s\n",
		    method_name(endpoints[i].method), endpoints[i].path,
		    endpoints[i].help);
	call_reply(c, HTTP_OK, "text/plain; charset=utf-8", out);
}
