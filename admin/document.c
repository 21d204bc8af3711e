/* Reading the API's JSON into plain structs, and writing what it takes. */
#include "admin/document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/name_document.h"
#include "router/plan.h"
#include "router/split.h"

static void
document_wrong(const json_error_t *error, char *why, size_t why_size)
{
	snprintf(why, why_size, "the answer is not what was expected: %s",
	    error->text);
}

static int
read_pod(json_t *json, struct pod_view *p, json_error_t *error)
{
	json_int_t inflight;

	if (json_unpack_ex(json, error, 0, "{s:s, s:s, s:I, s:s}", "address",
		&p->address, "state", &p->state, "inflight", &inflight,
		"reason", &p->reason) != 0)
		return -1;
	p->inflight = (uint64_t)inflight;
	return 0;
}

static int
read_version(json_t *json, struct version_view *v, json_error_t *error)
{
	json_int_t requests, errors;
	int panic = 0;
	json_t *pods, *launch;

	if (json_unpack_ex(json, error, 0,
		"{s:s, s:F, s:F, s:I, s:I, s:F, s:F, s:F, s?b, s:o}", "name",
		&v->name, "weight", &v->weight, "share", &v->share, "requests",
		&requests, "errors", &errors, "error_ratio", &v->error_ratio,
		"p50_ms", &v->p50_ms, "p99_ms", &v->p99_ms, "panic", &panic,
		"pods", &pods) != 0)
		return -1;
	v->panic = panic;
	launch = json_object_get(json, "launch");
	v->failed =
	    (uint64_t)json_integer_value(json_object_get(launch, "failed"));
	v->failure = json_string_value(json_object_get(launch, "reason"));
	if (names_read(json, &v->names, &v->nnames, error->text,
		sizeof error->text) < 0)
		return -1;
	v->requests = (uint64_t)requests;
	v->errors = (uint64_t)errors;
	v->pods = calloc(json_array_size(pods) + 1, sizeof *v->pods);
	if (v->pods == NULL)
		return -1;
	for (size_t i = 0; i < json_array_size(pods); i++) {
		struct pod_view *p = &v->pods[v->npods++];

		if (read_pod(json_array_get(pods, i), p, error) != 0)
			return -1;
		if (strcmp(p->state, "up") == 0)
			v->npods_up++;
	}
	return 0;
}

static int
read_service(json_t *json, struct service_view *s, json_error_t *error)
{
	json_t *versions, *rollout = NULL;
	json_int_t parked = 0;
	int closed = 0, spent = 0;

	if (json_unpack_ex(json, error, 0,
		"{s:s, s:s, s?b, s?I, s:o, s?o, s?{s:b}}", "name", &s->name,
		"stable", &s->stable, "closed", &closed, "parked", &parked,
		"versions", &versions, "rollout", &rollout, "retry_budget",
		"spent", &spent) != 0)
		return -1;
	s->closed = closed;
	s->retries_refused = spent;
	s->parked = (uint64_t)parked;
	if (json_is_object(rollout) &&
	    rollout_row_read(rollout, &s->rollout) != 0) {
		snprintf(error->text, sizeof error->text, "no rollout");
		return -1;
	}
	s->versions =
	    calloc(json_array_size(versions) + 1, sizeof *s->versions);
	if (s->versions == NULL)
		return -1;
	for (size_t i = 0; i < json_array_size(versions); i++)
		if (read_version(json_array_get(versions, i),
			&s->versions[s->nversions++], error) != 0)
			return -1;
	return 0;
}

static int
read_services(struct document *d, json_error_t *error)
{
	json_t *list = json_object_get(d->json, "services");
	size_t n = list != NULL ? json_array_size(list) : 1;

	d->services = calloc(n + 1, sizeof *d->services);
	if (d->services == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		json_t *one = list != NULL ? json_array_get(list, i) : d->json;

		if (read_service(one, &d->services[d->nservices++], error) != 0)
			return -1;
	}
	return 0;
}

struct document *
document_read(struct span text, char *why, size_t why_size)
{
	struct document *d = calloc(1, sizeof *d);
	json_error_t error = {.text = "out of memory"};

	if (d == NULL) {
		document_wrong(&error, why, why_size);
		return NULL;
	}
	d->json = json_loadb(text.p, text.n, 0, &error);
	if (d->json == NULL || read_services(d, &error) != 0) {
		document_wrong(&error, why, why_size);
		document_free(d);
		return NULL;
	}
	return d;
}

static void
service_view_free(struct service_view *s)
{
	for (size_t i = 0; i < s->nversions; i++) {
		free(s->versions[i].pods);
		free(s->versions[i].names);
	}
	free(s->versions);
}

void
document_free(struct document *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->nservices; i++)
		service_view_free(&d->services[i]);
	free(d->services);
	json_decref(d->json);
	free(d);
}

static bool
copy_text(struct span text, const char *key, char *buf, size_t size)
{
	json_t *json = json_loadb(text.p, text.n, 0, NULL);
	const char *words = json_string_value(json_object_get(json, key));

	if (words != NULL)
		snprintf(buf, size, "%s", words);
	json_decref(json);
	return words != NULL;
}

bool
document_error(struct span text, char *error, size_t size)
{
	return copy_text(text, "error", error, size);
}

bool
document_warning(struct span text, char *warning, size_t size)
{
	return copy_text(text, "warning", warning, size);
}

char *
document_weights(const struct weight_change *changes, size_t n)
{
	json_t *object = json_object();
	char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		uint64_t weight = changes[i].weight;
		json_t *number =
		    weight % WEIGHT_ONE == 0
			? json_integer((json_int_t)(weight / WEIGHT_ONE))
			: json_real((double)weight / WEIGHT_ONE);

		if (json_object_set_new(object, changes[i].version, number) !=
		    0)
			goto done;
	}
	text = json_dumps(object, JSON_REAL_PRECISION(12));
done:
	json_decref(object);
	return text;
}
