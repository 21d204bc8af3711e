/* Explaining a request: the question's JSON, and that of the answer. */
#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "base/opt.h"
#include "control/control.h"
#include "control/explain.h"
#include "control/question.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/route_table.h"

#define QUESTION_SHAPE "an object such as {\"url\": \"http://shop.test/cart\"}"

/* The question's words are the object's: valid as long as it is. */
struct body {
	struct question question;
	struct question_field *fields;
	size_t room;
	char *why;
	size_t why_size;
};

static bool
wrong(struct body *b, const char *member, const char *expected)
{
	char quoted[OPT_QUOTE_MAX];

	opt_quote(span_of(member), quoted, sizeof quoted);
	snprintf(b->why, b->why_size, "%s: expected %s", quoted, expected);
	return false;
}

static bool
read_text(
    struct body *b, const char *member, const json_t *value, const char **text)
{
	*text = json_string_value(value);
	return *text != NULL || wrong(b, member, "a string");
}

static bool
add_field(struct body *b, const char *name, const json_t *value)
{
	const char *text = json_string_value(value);
	struct question_field *fields;

	if (text == NULL)
		return wrong(b, name, "a string, or a list of strings");
	if (b->question.nfields == b->room) {
		size_t room = 2 * b->room + 16;

		fields = reallocarray(b->fields, room, sizeof *fields);
		if (fields == NULL) {
			snprintf(b->why, b->why_size, "out of memory");
			return false;
		}
		b->question.fields = b->fields = fields;
		b->room = room;
	}
	b->fields[b->question.nfields++] = (struct question_field){name, text};
	return true;
}

static bool
read_headers(struct body *b, json_t *headers)
{
	const char *name;
	json_t *value, *one;
	size_t i;

	if (!json_is_object(headers))
		return wrong(
		    b, "headers", "an object such as {\"User-Agent\": \"x\"}");
	json_object_foreach(headers, name, value)
	{
		if (!json_is_array(value)) {
			if (!add_field(b, name, value))
				return false;
			continue;
		}
		if (json_array_size(value) == 0)
			return wrong(b, name, "at least one string");
		json_array_foreach(value, i, one)
		{
			if (!add_field(b, name, one))
				return false;
		}
	}
	return true;
}

static bool
read_member(struct body *b, const char *member, json_t *value)
{
	char quoted[OPT_QUOTE_MAX];

	if (strcmp(member, "url") == 0)
		return read_text(b, member, value, &b->question.url);
	if (strcmp(member, "method") == 0)
		return read_text(b, member, value, &b->question.method);
	if (strcmp(member, "client") == 0)
		return read_text(b, member, value, &b->question.client);
	if (strcmp(member, "headers") == 0)
		return read_headers(b, value);
	opt_quote(span_of(member), quoted, sizeof quoted);
	snprintf(b->why, b->why_size,
	    "unknown member %s (known: url, method, headers, client)", quoted);
	return false;
}

static bool
read_body(struct body *b, json_t *object)
{
	const char *member;
	json_t *value;

	if (!json_is_object(object)) {
		snprintf(b->why, b->why_size, "expected " QUESTION_SHAPE);
		return false;
	}
	json_object_foreach(object, member, value)
	{
		if (!read_member(b, member, value))
			return false;
	}
	return b->question.url != NULL ||
	       wrong(b, "url", "it in " QUESTION_SHAPE);
}

static json_t *
route_json(const struct route *r)
{
	static const char *const kinds[] = {
	    [PATH_PREFIX] = "prefix",
	    [PATH_EXACT] = "exact",
	    [PATH_REGEX] = "regex",
	};
	json_t *methods;

	if (r == NULL)
		return json_null();
	methods = json_array();
	for (size_t i = 0; i < r->nmethods; i++)
		json_array_append_new(methods, json_string(r->methods[i]));
	return json_pack("{s:s, s:s, s:s, s:o}", "host",
	    r->host != NULL ? r->host : "*", "path", r->path, "kind",
	    kinds[r->kind], "methods", methods);
}

static json_t *
pods_json(const struct explanation *e)
{
	const struct version *v = e->version;
	json_t *pods;
	size_t ready = 0;

	if (v == NULL)
		return json_null();
	pods = json_array();
	for (size_t i = 0; i < v->npods; i++) {
		const struct pod *p = v->pods[i];
		const char *why = explain_pod(e, i, &ready);

		json_array_append_new(pods,
		    json_pack("{s:s, s:s, s:b, s:s}", "address",
			p->address.text, "state", pod_state_name(p->state),
			"candidate", why[0] == '\0', "reason", why));
	}
	return pods;
}

static json_t *
rule_json(const struct explanation *e)
{
	if (e->rule < 0)
		return json_null();
	return json_pack("{s:i, s:s}", "index", e->rule, "match", e->match);
}

/* In [0, 1): cut to 32 bits it stays below 1 however it is rounded. */
static json_t *
bucket_json(const struct explanation *e)
{
	return e->hashed ? json_real((double)(e->bucket >> 32) / 4294967296.0)
			 : json_null();
}

static json_t *
explanation_json(const struct explanation *e)
{
	return json_pack("{s:s?, s:o, s:s?, s:o, s:o, s:o, s:s}", "service",
	    e->service != NULL ? e->service->name : NULL, "route",
	    route_json(e->route), "version",
	    e->version != NULL ? e->version->name : NULL, "rule", rule_json(e),
	    "bucket", bucket_json(e), "pods", pods_json(e), "reason",
	    e->reason);
}

static void
answer(struct call *c, const struct question *q)
{
	const struct control *control = call_control(c);
	struct explanation e;
	struct asked asked;
	char why[512];

	if (!question_read(q, &asked, why, sizeof why))
		call_error(c, HTTP_BADREQUEST, "%s", why);
	else if (!explain(&asked, control_plan(control),
		     control_settings(control), clock_wall_us() / 1000000, &e))
		call_error(c, HTTP_INTERNAL, "out of memory");
	else
		call_json(c, HTTP_OK, explanation_json(&e));
	asked_clear(&asked);
}

void
explain_post(struct call *c)
{
	char why[512];
	struct body b = {.why = why, .why_size = sizeof why};
	struct span body = call_body(c);
	json_error_t error;
	json_t *object;

	object = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error);
	if (object == NULL) {
		call_error(c, HTTP_BADREQUEST,
		    "JSON, line %d, column %d: %s; expected " QUESTION_SHAPE,
		    error.line, error.column, error.text);
		return;
	}
	if (read_body(&b, object))
		answer(c, &b.question);
	else
		call_error(c, HTTP_BADREQUEST, "%s", why);
	free(b.fields);
	json_decref(object);
}
