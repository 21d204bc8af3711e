/* Releases: begun, steered, and shown. */
#include <event2/http.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "base/opt.h"
#include "control/control.h"
#include "control/rollouts.h"
#include "router/plan.h"
#include "strategies/strategy.h"

#define START_SHAPE \
	"an object such as {\"to\": \"v2\", \"strategy\": \"canary\"}"
#define PROMOTE_SHAPE	"no body, or {\"full\": true}"
#define NO_BODY		"no body, or {}"
#define HISTORY_DEFAULT 100u
#define HISTORY_MAX	1000u
#define TEXT_MAX	1024u

static json_t *
time_json(uint64_t wall_us)
{
	char text[32];

	if (wall_us == 0)
		return json_null();
	clock_format(wall_us, text, sizeof text);
	return json_string(text);
}

/* What a pod or a webhook said may be in it, so it may be no UTF-8. */
static json_t *
text_json(const char *text)
{
	json_t *json = json_string(text != NULL ? text : "");
	char plain[TEXT_MAX];

	if (json != NULL)
		return json;
	snprintf(plain, sizeof plain, "%s", text);
	for (char *p = plain; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(plain);
}

static json_t *
brief_json(const struct rollout_view *v)
{
	const bool gated = v->verdict != VERDICT_NONE;

	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:s, s:o}",
	    "id", (json_int_t)v->id, "strategy", v->strategy, "from", v->from,
	    "to", v->to, "phase", rollout_phase_name(v->phase), "step",
	    (int)v->step, "steps", (int)v->steps, "gated", gated, "verdict",
	    verdict_name(gated ? v->verdict : VERDICT_NO_DATA), "reason",
	    text_json(v->reason));
}

static json_t *
decisions_json(const struct rollout_view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->ndecisions; i++) {
		const struct rollout_decision *d = &v->decisions[i];

		json_array_append_new(list,
		    json_pack("{s:o, s:o, s:o}", "time", time_json(d->time_us),
			"action", text_json(d->action), "reason",
			text_json(d->reason)));
	}
	return list;
}

/* With when it was, and what was decided. */
static json_t *
whole_json(const struct rollout_view *v)
{
	const uint64_t end = v->ended_us > 0 ? v->ended_us : clock_wall_us();
	const uint64_t took = end > v->started_us ? end - v->started_us : 0;
	json_t *json = brief_json(v);

	json_object_set_new(json, "started", time_json(v->started_us));
	json_object_set_new(json, "ended", time_json(v->ended_us));
	json_object_set_new(
	    json, "took_ms", json_integer((json_int_t)(took / 1000)));
	json_object_set_new(
	    json, "paused_ms", json_integer((json_int_t)(v->paused_us / 1000)));
	json_object_set_new(json, "decisions", decisions_json(v));
	return json;
}

json_t *
rollout_json(struct control *control, const char *service)
{
	struct rollout_view v;

	return rollouts_last(control_rollouts(control), service, &v)
		   ? brief_json(&v)
		   : json_null();
}

static json_t *
last_json(struct call *c)
{
	struct rollout_view v;

	return rollouts_last(
		   control_rollouts(call_control(c)), call_arg(c, 0), &v)
		   ? whole_json(&v)
		   : json_null();
}

void
rollout_get(struct call *c)
{
	if (service_or_404(c) != NULL)
		call_json(c, HTTP_OK, last_json(c));
}

static void
add_to_history(void *arg, const struct rollout_view *v)
{
	json_array_append_new(arg, whole_json(v));
}

/* ?limit=N; false when the call was answered with 400. */
static bool
read_limit(struct call *c, uint64_t *limit)
{
	const char *text = call_query(c, "limit");
	char why[OPT_QUOTE_MAX + 128];

	*limit = HISTORY_DEFAULT;
	if (text == NULL || opt_read(OPT_COUNT, span_of(text), 1, HISTORY_MAX,
				limit, why, sizeof why))
		return true;
	call_error(c, HTTP_BADREQUEST, "limit: %s", why);
	return false;
}

void
rollouts_get(struct call *c)
{
	const struct service *s = service_or_404(c);
	uint64_t limit;
	json_t *list;

	if (s == NULL || !read_limit(c, &limit))
		return;
	list = json_array();
	if (rollouts_each(control_rollouts(call_control(c)), s->name,
		(size_t)limit, add_to_history, list) == 0) {
		call_json(c, HTTP_OK, json_pack("{s:o}", "rollouts", list));
		return;
	}
	json_decref(list);
	call_error(c, HTTP_INTERNAL, "the state file cannot be read: %s",
	    control_state_problem(call_control(c)) != NULL
		? control_state_problem(call_control(c))
		: "out of memory");
}

/* Where something was begun or has changed: what it is like now. */
static void
changed(void *arg, const char *error)
{
	struct call *c = arg;
	json_t *json;

	if (error != NULL && !control_ready(call_control(c))) {
		call_error(c, HTTP_SERVUNAVAIL, "%s", error);
		return;
	}
	if (error != NULL) {
		call_error(c, 409, "%s", error);
		return;
	}
	json = last_json(c);
	if (json_is_object(json))
		set_state_warning(c, json);
	call_json(c, HTTP_OK, json);
}

/* False when the call was answered: nothing begins any more. */
static bool
ready_or_503(struct call *c)
{
	if (control_ready(call_control(c)))
		return true;
	call_error(c, HTTP_SERVUNAVAIL, "shutting down");
	return false;
}

/* False when the call was answered with 400. */
static bool
read_start(
    struct call *c, json_t *object, const char **to, const char **strategy)
{
	const json_t *named = json_object_get(object, "strategy");
	const char *key;
	json_t *value;
	char quoted[OPT_QUOTE_MAX], known[128];

	json_object_foreach(object, key, value)
	{
		if (strcmp(key, "to") == 0 || strcmp(key, "strategy") == 0)
			continue;
		opt_quote(span_of(key), quoted, sizeof quoted);
		call_error(c, HTTP_BADREQUEST,
		    "there is no key %s; expected " START_SHAPE, quoted);
		return false;
	}
	*to = json_string_value(json_object_get(object, "to"));
	*strategy = json_string_value(named);
	if (*to == NULL || (named != NULL && *strategy == NULL)) {
		call_error(c, HTTP_BADREQUEST, "expected " START_SHAPE);
		return false;
	}
	if (*strategy == NULL || strategy_find(*strategy) != NULL)
		return true;
	opt_quote(span_of(*strategy), quoted, sizeof quoted);
	strategy_names(known, sizeof known);
	call_error(c, HTTP_BADREQUEST, "there is no strategy %s; there is: %s",
	    quoted, known);
	return false;
}

void
rollouts_post(struct call *c)
{
	const struct service *s = service_or_404(c);
	const struct version *v;
	const char *to, *strategy;
	json_t *object;

	object = s != NULL ? object_or_400(c, START_SHAPE) : NULL;
	if (object == NULL)
		return;
	if (!read_start(c, object, &to, &strategy))
		goto done;
	v = service_version_or_404(c, s, to);
	if (v == NULL || !ready_or_503(c))
		goto done;
	if (v->index == s->stable)
		call_error(c, 409,
		    "%s is the stable version of %s already: there is nothing "
		    "to release",
		    v->name, s->name);
	else
		rollouts_start(control_rollouts(call_control(c)), s->name,
		    v->name,
		    strategy != NULL ? strategy_find(strategy)->name : NULL,
		    changed, c);
done:
	json_decref(object);
}

/* The body's one key, which may be missing; false: answered with 400. */
static bool
read_flag(struct call *c, const char *key, bool *flag, const char *shape)
{
	json_t *object, *value;
	bool good;

	*flag = false;
	if (call_body(c).n == 0)
		return true;
	object = object_or_400(c, shape);
	if (object == NULL)
		return false;
	value = key != NULL ? json_object_get(object, key) : NULL;
	good = json_object_size(object) == (value != NULL ? 1 : 0) &&
	       (value == NULL || json_is_boolean(value));
	*flag = json_is_true(value);
	json_decref(object);
	if (!good)
		call_error(c, HTTP_BADREQUEST, "expected %s", shape);
	return good;
}

static void
steer(struct call *c, enum rollout_verb verb)
{
	if (ready_or_503(c))
		rollouts_verb(control_rollouts(call_control(c)), call_arg(c, 0),
		    verb, changed, c);
}

static void
steer_plainly(struct call *c, enum rollout_verb verb)
{
	bool none;

	if (service_or_404(c) != NULL && read_flag(c, NULL, &none, NO_BODY))
		steer(c, verb);
}

void
rollout_pause(struct call *c)
{
	steer_plainly(c, ROLLOUT_PAUSE);
}

void
rollout_resume(struct call *c)
{
	steer_plainly(c, ROLLOUT_RESUME);
}

void
rollout_promote(struct call *c)
{
	bool full;

	if (service_or_404(c) != NULL &&
	    read_flag(c, "full", &full, PROMOTE_SHAPE))
		steer(c, full ? ROLLOUT_PROMOTE_FULL : ROLLOUT_PROMOTE);
}

void
rollout_abort(struct call *c)
{
	steer_plainly(c, ROLLOUT_ABORT);
}

void
rollout_undo(struct call *c)
{
	steer_plainly(c, ROLLOUT_UNDO);
}
