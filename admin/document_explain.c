/* Writing questions, and reading explanations into plain structs. */
#include "admin/document_explain.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "control/question.h"

/* The values that a header has so far, whatever the case of its name. */
static json_t *
values_of(json_t *headers, const char *name)
{
	const char *known;
	json_t *values;

	json_object_foreach(headers, known, values)
	{
		if (strcasecmp(known, name) == 0)
			return values;
	}
	values = json_array();
	return json_object_set_new(headers, name, values) == 0 ? values : NULL;
}

static int
add_text(json_t *object, const char *member, const char *text)
{
	return text == NULL
		   ? 0
		   : json_object_set_new(object, member, json_string(text));
}

static int
add_headers(json_t *object, const struct question *q)
{
	json_t *headers = json_object();

	if (json_object_set_new(object, "headers", headers) != 0)
		return -1;
	for (size_t i = 0; i < q->nfields; i++) {
		json_t *values = values_of(headers, q->fields[i].name);

		if (values == NULL || json_array_append_new(values,
					  json_string(q->fields[i].value)) != 0)
			return -1;
	}
	return 0;
}

char *
document_question(const struct question *q)
{
	json_t *object = json_object();
	char *text = NULL;

	if (add_text(object, "url", q->url) == 0 &&
	    add_text(object, "method", q->method) == 0 &&
	    add_text(object, "client", q->client) == 0 &&
	    add_headers(object, q) == 0)
		text = json_dumps(object, 0);
	json_decref(object);
	return text;
}

static int
read_route(json_t *route, struct explain_view *v, json_error_t *error)
{
	json_t *methods;

	if (json_is_null(route))
		return 0;
	if (json_unpack_ex(route, error, 0, "{s:s, s:s, s:s, s:o}", "host",
		&v->host, "path", &v->path, "kind", &v->kind, "methods",
		&methods) != 0)
		return -1;
	v->methods = calloc(json_array_size(methods) + 1, sizeof v->methods[0]);
	if (v->methods == NULL)
		return -1;
	for (; v->nmethods < json_array_size(methods); v->nmethods++) {
		const char *method =
		    json_string_value(json_array_get(methods, v->nmethods));

		v->methods[v->nmethods] = method != NULL ? method : "";
	}
	return 0;
}

static int
read_rule(json_t *rule, struct explain_view *v, json_error_t *error)
{
	if (json_is_null(rule))
		return 0;
	return json_unpack_ex(rule, error, 0, "{s:i, s:s}", "index", &v->rule,
	    "match", &v->match);
}

static int
read_pods(json_t *pods, struct explain_view *v, json_error_t *error)
{
	v->pods = calloc(json_array_size(pods) + 1, sizeof v->pods[0]);
	if (v->pods == NULL)
		return -1;
	for (; v->npods < json_array_size(pods); v->npods++) {
		struct explain_pod_view *p = &v->pods[v->npods];
		int candidate;

		if (json_unpack_ex(json_array_get(pods, v->npods), error, 0,
			"{s:s, s:s, s:b, s:s}", "address", &p->address, "state",
			&p->state, "candidate", &candidate, "reason",
			&p->reason) != 0)
			return -1;
		p->candidate = candidate != 0;
	}
	return 0;
}

/* Where a string may be null. */
static const char *
text_of(const struct explain_view *v, const char *member)
{
	return json_string_value(json_object_get(v->json, member));
}

static int
read_all(struct explain_view *v, json_error_t *error)
{
	json_t *route, *rule, *bucket, *pods;

	if (json_unpack_ex(v->json, error, 0, "{s:o, s:o, s:o, s:o, s:s}",
		"route", &route, "rule", &rule, "bucket", &bucket, "pods",
		&pods, "reason", &v->reason) != 0)
		return -1;
	v->service = text_of(v, "service");
	v->version = text_of(v, "version");
	if (json_is_number(bucket))
		v->bucket = json_number_value(bucket);
	if (read_route(route, v, error) != 0 || read_rule(rule, v, error) != 0)
		return -1;
	return read_pods(pods, v, error);
}

struct explain_view *
document_explain(struct span text, char *why, size_t why_size)
{
	struct explain_view *v = calloc(1, sizeof *v);
	json_error_t error = {.text = "out of memory"};

	if (v != NULL) {
		v->rule = -1;
		v->bucket = -1;
		v->json = json_loadb(text.p, text.n, 0, &error);
		if (v->json != NULL && read_all(v, &error) == 0)
			return v;
	}
	snprintf(why, why_size, "the answer is not what was expected: %s",
	    error.text);
	document_explain_free(v);
	return NULL;
}

void
document_explain_free(struct explain_view *v)
{
	if (v == NULL)
		return;
	free(v->methods);
	free(v->pods);
	json_decref(v->json);
	free(v);
}
