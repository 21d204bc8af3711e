/* Shifting a service's weights: read, checked, handed to control, answered. */
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/opt.h"
#include "control/control.h"
#include "control/rollouts.h"
#include "router/split.h"

#define WEIGHTS_SHAPE "an object such as {\"v1\": 80, \"v2\": 20}"

/* How exactly a double holds any allowed weight, in 1/WEIGHT_ONE. */
#define ROUNDING 1e-5

/* Rounds to whole 1/WEIGHT_ONE; false when the number has more decimals. */
static bool
scale_weight(double number, uint64_t *weight)
{
	double scaled = number * WEIGHT_ONE, difference;

	*weight = (uint64_t)(scaled + 0.5);
	difference = scaled - (double)*weight;
	return difference < ROUNDING && difference > -ROUNDING &&
	       (*weight > 0 || number == 0);
}

/* False with why when it is no weight. */
static bool
read_weight(const char *version, const json_t *value, uint64_t *weight,
    char *why, size_t why_size)
{
	double number = json_number_value(value);
	const char *wrong = NULL;
	char quoted[OPT_QUOTE_MAX];

	if (!json_is_number(value))
		wrong = "must be a number";
	else if (number < 0)
		wrong = "must not be negative";
	else if (number > (double)(WEIGHT_MAX / WEIGHT_ONE))
		wrong = "must be at most 1000000";
	else if (!scale_weight(number, weight))
		wrong = "must have at most four decimals";
	if (wrong == NULL)
		return true;
	opt_quote(span_of(version), quoted, sizeof quoted);
	snprintf(why, why_size, "the weight of version %s %s", quoted, wrong);
	return false;
}

/* The versions' names are the object's: valid as long as it is. */
static struct weight_change *
read_changes(json_t *object, size_t *n, char *why, size_t why_size)
{
	struct weight_change *changes;
	const char *version;
	json_t *value;

	if (json_object_size(object) == 0) {
		snprintf(why, why_size, "expected " WEIGHTS_SHAPE);
		return NULL;
	}
	changes = calloc(json_object_size(object), sizeof *changes);
	if (changes == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	*n = 0;
	json_object_foreach(object, version, value)
	{
		struct weight_change *change = &changes[(*n)++];

		change->version = version;
		if (!read_weight(
			version, value, &change->weight, why, why_size)) {
			free(changes);
			return NULL;
		}
	}
	return changes;
}

static void
weights_done(void *arg, const char *error)
{
	struct call *c = arg;
	const struct service *s;
	json_t *json;

	if (error != NULL) {
		/* a rollout has them for now: another time they may be set */
		call_error(c,
		    rollouts_running(
			control_rollouts(call_control(c)), call_arg(c, 0))
			? 409
			: HTTP_BADREQUEST,
		    "%s", error);
		return;
	}
	/* A reload right behind the change may have removed the service. */
	s = service_or_404(c);
	if (s == NULL)
		return;
	json = service_json(call_control(c), s);
	set_state_warning(c, json);
	call_json(c, HTTP_OK, json);
}

/*
 * The one parameter, void_sticky: whether versions that are set to 0 lose
 * their cookies. False with why when the query is anything else: who
 * misspelled it would believe that they did.
 */
static bool
read_query(struct call *c, bool *void_sticky, char *why, size_t why_size)
{
	const struct evhttp_uri *uri =
	    evhttp_request_get_evhttp_uri(call_request(c));
	const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	struct evkeyvalq all;
	struct evkeyval *one;
	bool good = true;

	*void_sticky = false;
	if (query == NULL || query[0] == '\0')
		return true;
	snprintf(why, why_size,
	    "expected no query but void_sticky=0 or void_sticky=1");
	if (evhttp_parse_query_str(query, &all) != 0)
		return false;
	TAILQ_FOREACH (one, &all, next) {
		if (strcmp(one->key, "void_sticky") != 0 ||
		    (strcmp(one->value, "0") != 0 &&
			strcmp(one->value, "1") != 0))
			good = false;
		else
			*void_sticky = one->value[0] == '1';
	}
	evhttp_clear_headers(&all);
	return good;
}

/* Of the versions that are set to 0; false with why when there is none. */
static bool
void_cookies(
    struct weight_change *changes, size_t n, char *why, size_t why_size)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		if (changes[i].weight == 0)
			changes[i].void_sticky = any = true;
	if (!any)
		snprintf(why, why_size,
		    "void_sticky is for versions that are set to 0: there is "
		    "none");
	return any;
}

void
weights_put(struct call *c)
{
	const struct service *s = service_or_404(c);
	struct weight_change *changes;
	struct span body;
	json_t *object;
	json_error_t error;
	bool void_sticky;
	size_t n;
	char why[512];

	if (s == NULL)
		return;
	if (!read_query(c, &void_sticky, why, sizeof why)) {
		call_error(c, HTTP_BADREQUEST, "%s", why);
		return;
	}
	body = call_body(c);
	object = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error);
	if (object == NULL) {
		call_error(c, HTTP_BADREQUEST,
		    "JSON, line %d, column %d: %s; expected " WEIGHTS_SHAPE,
		    error.line, error.column, error.text);
		return;
	}
	changes = read_changes(object, &n, why, sizeof why);
	if (changes == NULL ||
	    (void_sticky && !void_cookies(changes, n, why, sizeof why)))
		call_error(c, HTTP_BADREQUEST, "%s", why);
	else
		control_set_weights(
		    call_control(c), s->name, changes, n, weights_done, c);
	free(changes);
	json_decref(object);
}
