/* The pods of a version: listed, added, ordered about, removed. */
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/names.h"
#include "base/address.h"
#include "base/opt.h"
#include "control/control.h"
#include "control/pod_set.h"
#include "control/pods.h"
#include "router/draw.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/service.h"

#define ADD_SHAPE                                             \
	"an object such as {\"address\": \"10.0.0.1:8000\", " \
	"\"weight\": 1}"
#define ORDER_SHAPE    "an object such as {\"state\": \"drain\"}, or ready, maint"
#define TIMEOUT_MAX_MS (24u * 3600000u)

static const struct {
	const char *word;
	enum pod_order order;
} orders[] = {
    {"ready", POD_ORDER_NONE},
    {"drain", POD_ORDER_DRAIN},
    {"maint", POD_ORDER_MAINT},
};

#define ORDERS (sizeof orders / sizeof orders[0])

static const char *const sources[] = {
    [POD_BY_PEOPLE] = "run_time",
    [POD_BY_FILE] = "file",
    [POD_BY_LAUNCH] = "launch",
    [POD_BY_NAME] = "name",
};

static json_t *
pod_details(
    struct call *c, const struct service *s, const struct version *v, size_t i)
{
	const struct pod *p = v->pods[i];
	const struct pod_member *m = pods_member(
	    control_pods(call_control(c)), s->name, v->name, &p->address);
	json_t *json = pod_json(p);

	json_object_set_new(json, "weight", json_integer(v->weights[i]));
	json_object_set_new(json, "source",
	    json_string(
		sources[m != NULL ? pod_member_source(m) : POD_BY_FILE]));
	json_object_set_new(json, "names", member_names_json(m));
	json_object_set_new(
	    json, "removing", json_boolean(m != NULL && m->leaving));
	return json;
}

/* The version of argument 1; NULL when the call was answered with 404. */
static const struct version *
version_or_404(struct call *c, const struct service **service)
{
	const struct service *s = service_or_404(c);

	if (s == NULL)
		return NULL;
	*service = s;
	return service_version_or_404(c, s, call_arg(c, 1));
}

/* False when the call was answered with 400. */
static bool
address_or_400(struct call *c, const char *text, struct address *address)
{
	const char *expected = "an address such as 10.0.0.1:8000";
	char quoted[OPT_QUOTE_MAX];

	if (address_parse(span_of(text), address)) {
		expected = address_peer_fault(address);
		if (expected == NULL)
			return true;
	}
	opt_quote(span_of(text), quoted, sizeof quoted);
	call_error(
	    c, HTTP_BADREQUEST, "expected %s, found %s", expected, quoted);
	return false;
}

/* The pod of argument 2; NULL when the call was answered. */
static struct pod *
pod_or_404(struct call *c, struct address *address)
{
	const struct service *s;
	const struct version *v = version_or_404(c, &s);
	struct pod *p;

	if (v == NULL || !address_or_400(c, call_arg(c, 2), address))
		return NULL;
	p = version_pod(v, address);
	if (p == NULL)
		call_error(c, HTTP_NOTFOUND,
		    "version %s of service %s has no pod %s", v->name, s->name,
		    address->text);
	return p;
}

/* What the caller should know besides, or null. */
static void
set_warning(struct call *c, json_t *json, const struct version *v)
{
	json_t *warning = json_null();

	if (set_state_warning(c, json))
		return;
	if (v != NULL && v->nready == 0)
		warning =
		    json_sprintf("version %s has no pod that is up", v->name);
	json_object_set_new(json, "warning", warning);
}

/* As the pod is now; one that is gone has its address and that state. */
static void
answer_pod(struct call *c, const char *text, const struct pods_outcome *o)
{
	const struct plan *plan = control_plan(call_control(c));
	const struct service *s = plan_service(plan, call_arg(c, 0));
	const struct version *v =
	    s != NULL ? service_version(s, call_arg(c, 1)) : NULL;
	const char *result = "begun";
	struct address a;
	json_t *json = NULL;

	address_parse(span_of(text), &a);
	for (size_t i = 0; v != NULL && json == NULL && i < v->npods; i++)
		if (address_eq(&v->pods[i]->address, &a))
			json = pod_details(c, s, v, i);
	if (json == NULL)
		json = json_pack("{s:s, s:s, s:i, s:s}", "address", text,
		    "state", "gone", "inflight", 0, "reason", "");
	if (o != NULL && o->waited)
		result = o->timed_out ? "timeout" : "drained";
	if (o != NULL) {
		json_object_set_new(json, "result", json_string(result));
		json_object_set_new(json, "cut", json_integer(o->cut));
		json_object_set_new(
		    json, "took_ms", json_real((double)o->took_us / 1000.0));
	}
	set_warning(c, json, v);
	call_json(c, HTTP_OK, json);
}

void
pods_get(struct call *c)
{
	const struct service *s;
	const struct version *v = version_or_404(c, &s);
	json_t *list;

	if (v == NULL)
		return;
	list = json_array();
	for (size_t i = 0; i < v->npods; i++)
		json_array_append_new(list, pod_details(c, s, v, i));
	call_json(c, HTTP_OK,
	    json_pack("{s:s, s:s, s:o, s:o}", "service", s->name, "version",
		v->name, "pods", list, "names",
		names_json(call_control(c), s->name, v->name)));
}

static void
added(void *arg, const char *error)
{
	struct call *c = arg;

	if (error != NULL)
		call_error(c, HTTP_INTERNAL, "%s", error);
	else
		answer_pod(c, call_arg(c, 2), NULL);
}

/* False when the call was answered with 400. */
static bool
read_added(struct call *c, json_t *object, struct address *a, uint16_t *weight)
{
	const char *key;
	json_t *value, *text = json_object_get(object, "address"),
		       *number = json_object_get(object, "weight");
	json_int_t n = number != NULL ? json_integer_value(number) : 1;

	json_object_foreach(object, key, value)
	{
		if (strcmp(key, "address") == 0 || strcmp(key, "weight") == 0)
			continue;
		call_error(c, HTTP_BADREQUEST,
		    "there is no key of that name; expected " ADD_SHAPE);
		return false;
	}
	if (!json_is_string(text)) {
		call_error(c, HTTP_BADREQUEST, "expected " ADD_SHAPE);
		return false;
	}
	if ((number != NULL && !json_is_integer(number)) || n < 1 ||
	    n > POD_WEIGHT_MAX) {
		call_error(c, HTTP_BADREQUEST,
		    "the weight of a pod is an integer from 1 to %u",
		    POD_WEIGHT_MAX);
		return false;
	}
	*weight = (uint16_t)n;
	return address_or_400(c, json_string_value(text), a);
}

void
pods_post(struct call *c)
{
	struct pods *pods = control_pods(call_control(c));
	const struct service *s;
	const struct version *v = version_or_404(c, &s);
	const struct pod_member *m;
	struct address a;
	uint16_t weight;
	json_t *object;

	object = v != NULL ? object_or_400(c, ADD_SHAPE) : NULL;
	if (object == NULL)
		return;
	if (!read_added(c, object, &a, &weight))
		goto done;
	m = pods_member(pods, s->name, v->name, &a);
	if (m != NULL && pod_member_there(m))
		call_error(c, 409,
		    "pod %s of version %s of service %s is there already%s",
		    a.text, v->name, s->name,
		    m->leaving ? ": it is draining, to be removed" : "");
	else if (!call_set_text(c, 2, a.text))
		call_error(c, HTTP_INTERNAL, "out of memory");
	else
		pods_add(pods, s->name, v->name, &a, weight, added, c);
done:
	json_decref(object);
}

static void
ordered(void *arg, const char *error, const struct pods_outcome *o)
{
	struct call *c = arg;

	if (error != NULL)
		call_error(c, 409, "%s", error);
	else
		answer_pod(c, call_arg(c, 2), o);
}

/* ?wait=1&timeout=30s; false when the call was answered with 400. */
static bool
read_wait(struct call *c, struct pods_wait *wait)
{
	const char *timeout = call_query(c, "timeout");
	const char *flag = call_query(c, "wait");
	uint64_t ms;
	char why[OPT_QUOTE_MAX + 128];

	*wait = (struct pods_wait){.timeout_ms = PODS_TIMEOUT_DEFAULT};
	if (flag != NULL && strcmp(flag, "1") != 0 && strcmp(flag, "0") != 0) {
		call_error(c, HTTP_BADREQUEST, "wait: expected 0 or 1");
		return false;
	}
	wait->wait = flag != NULL && flag[0] == '1';
	if (timeout == NULL)
		return true;
	if (!opt_read(OPT_DURATION, span_of(timeout), 0, TIMEOUT_MAX_MS, &ms,
		why, sizeof why)) {
		call_error(c, HTTP_BADREQUEST, "timeout: %s", why);
		return false;
	}
	wait->timeout_ms = (uint32_t)ms;
	return true;
}

/* False when the call was answered with 400. */
static bool
read_order(struct call *c, const json_t *object, enum pod_order *order)
{
	const char *word = json_string_value(json_object_get(object, "state"));

	for (size_t i = 0; word != NULL && i < ORDERS; i++)
		if (strcmp(orders[i].word, word) == 0 &&
		    json_object_size(object) == 1) {
			*order = orders[i].order;
			return true;
		}
	call_error(c, HTTP_BADREQUEST, "expected " ORDER_SHAPE);
	return false;
}

void
pod_patch(struct call *c)
{
	struct pods_wait wait;
	struct address a;
	enum pod_order order;
	json_t *object;

	if (pod_or_404(c, &a) == NULL || !read_wait(c, &wait))
		return;
	object = object_or_400(c, ORDER_SHAPE);
	if (object == NULL)
		return;
	if (read_order(c, object, &order)) {
		call_patiently(c);
		pods_order(control_pods(call_control(c)), call_arg(c, 0),
		    call_arg(c, 1), &a, order, &wait, ordered, c);
	}
	json_decref(object);
}

void
pod_delete(struct call *c)
{
	struct pods_wait wait;
	struct address a;

	if (pod_or_404(c, &a) == NULL || !read_wait(c, &wait))
		return;
	call_patiently(c);
	pods_remove(control_pods(call_control(c)), call_arg(c, 0),
	    call_arg(c, 1), &a, &wait, ordered, c);
}
