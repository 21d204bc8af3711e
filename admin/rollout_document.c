/* Reading what the API says of rollouts, and writing what it takes. */
#include "admin/rollout_document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL ? text : "";
}

static uint64_t
number_of(const json_t *json, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(json, key));

	return n > 0 ? (uint64_t)n : 0;
}

int
rollout_row_read(json_t *json, struct rollout_row *r)
{
	json_int_t id;
	const char *phase;

	*r = (struct rollout_row){.json = json};
	if (json_unpack(json, "{s:I, s:s, s:s, s:s, s:s, s:s}", "id", &id,
		"strategy", &r->strategy, "from", &r->from, "to", &r->to,
		"phase", &phase, "reason", &r->reason) != 0)
		return -1;
	r->phase = rollout_phase_find(phase);
	if (r->phase == ROLLOUT_PHASE_COUNT || id < 1)
		return -1;
	r->id = (uint64_t)id;
	r->step = number_of(json, "step");
	r->steps = number_of(json, "steps");
	r->verdict = json_is_true(json_object_get(json, "gated"))
			 ? text_of(json, "verdict")
			 : "";
	r->started = text_of(json, "started");
	r->ended = text_of(json, "ended");
	r->took_ms = number_of(json, "took_ms");
	r->paused_ms = number_of(json, "paused_ms");
	return 0;
}

static int
read_decisions(json_t *json, struct rollout_row *r)
{
	json_t *list = json_object_get(json, "decisions");
	size_t n = json_array_size(list);

	r->decisions = calloc(n + 1, sizeof *r->decisions);
	if (r->decisions == NULL)
		return -1;
	for (; r->ndecisions < n; r->ndecisions++) {
		json_t *one = json_array_get(list, r->ndecisions);

		r->decisions[r->ndecisions] = (struct decision_row){
		    .time = text_of(one, "time"),
		    .action = text_of(one, "action"),
		    .reason = text_of(one, "reason"),
		};
	}
	return 0;
}

static int
read_rows(struct rollout_document *d)
{
	json_t *list = json_object_get(d->json, "rollouts");
	size_t n = list != NULL ? json_array_size(list) : 1;

	if (json_is_null(d->json))
		n = 0;
	d->rows = calloc(n + 1, sizeof *d->rows);
	if (d->rows == NULL)
		return -1;
	while (d->n < n) {
		json_t *one =
		    list != NULL ? json_array_get(list, d->n) : d->json;
		struct rollout_row *r = &d->rows[d->n++];

		if (rollout_row_read(one, r) != 0 ||
		    read_decisions(one, r) != 0)
			return -1;
	}
	d->warning = json_string_value(json_object_get(d->json, "warning"));
	return 0;
}

struct rollout_document *
rollout_document_read(struct span text, char *why, size_t why_size)
{
	struct rollout_document *d = calloc(1, sizeof *d);
	json_error_t error;

	if (d == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	d->json = json_loadb(text.p, text.n, JSON_DECODE_ANY, &error);
	if (d->json != NULL && read_rows(d) == 0)
		return d;
	snprintf(why, why_size, "the answer is not what was expected: %s",
	    d->json == NULL ? error.text : "no rollout");
	rollout_document_free(d);
	return NULL;
}

void
rollout_document_free(struct rollout_document *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n; i++)
		free(d->rows[i].decisions);
	free(d->rows);
	json_decref(d->json);
	free(d);
}

static char *
dump(json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

char *
rollout_row_text(const struct rollout_row *r)
{
	return json_dumps(r->json, 0);
}

char *
rollout_document_start(const char *to, const char *strategy)
{
	return dump(json_pack("{s:s, s:s*}", "to", to, "strategy", strategy));
}

char *
rollout_document_promote(bool full)
{
	return dump(json_pack("{s:b}", "full", full));
}
