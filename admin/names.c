/* What is known of names, as JSON. */
#include "admin/names.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "control/control.h"
#include "control/discovery.h"
#include "control/pod_set.h"

/* When it was, by the wall clock; null for never. */
static json_t *
time_json(uint64_t us, uint64_t now_us)
{
	char text[32];

	if (us == 0)
		return json_null();
	clock_format(clock_wall_us() - (now_us - us), text, sizeof text);
	return json_string(text);
}

static json_t *
name_json(const struct discovery_view *v)
{
	const uint64_t now = clock_now_us();
	json_t *next = json_null();

	if (!v->asking && v->due_us != 0)
		next = json_real(v->due_us > now
				     ? (double)(v->due_us - now) / 1000000.0
				     : 0.0);
	return json_pack("{s:s, s:s, s:I, s:b, s:o, s:o, s:s}", "name", v->name,
	    "state", name_state_name(v->state), "addresses",
	    (json_int_t)v->addresses, "cut", v->cut, "last_resolved",
	    time_json(v->good_us, now), "next_s", next, "error", v->problem);
}

json_t *
names_json(
    const struct control *control, const char *service, const char *version)
{
	const struct discovery *d = control_discovery(control);
	json_t *list = json_array();
	struct discovery_view v;

	for (size_t i = 0; discovery_get(d, i, &v); i++)
		if (strcmp(v.service, service) == 0 &&
		    strcmp(v.version, version) == 0)
			json_array_append_new(list, name_json(&v));
	return list;
}

json_t *
member_names_json(const struct pod_member *m)
{
	json_t *list = json_array();

	for (size_t i = 0; m != NULL && i < m->nnames; i++)
		json_array_append_new(list, json_string(m->names[i]));
	return list;
}
