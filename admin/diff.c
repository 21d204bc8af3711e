/* Where what is in force differs from the config file. */
#include <event2/http.h>
#include <jansson.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "conf/conf.h"
#include "control/control.h"
#include "control/diff.h"

/* A file's name and what is in it may be no UTF-8. */
static json_t *
line_json(const char *line)
{
	json_t *json = json_string(line);

	return json != NULL ? json : json_string("(not UTF-8)");
}

static json_t *
difference_json(const struct difference *d)
{
	return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?}", "kind",
	    diff_kind_name(d->kind), "service", d->service, "version",
	    d->version, "pod", d->pod, "file", d->filed, "running", d->running);
}

static json_t *
file_json(struct call *c, bool *changed)
{
	struct conf_errors errors = {0};
	json_t *lines = json_array();

	*changed = control_file_changed(call_control(c), &errors);
	for (size_t i = 0; i < errors.n; i++)
		json_array_append_new(lines, line_json(errors.lines[i]));
	conf_errors_free(&errors);
	return json_pack("{s:o, s:b, s:o}", "path",
	    line_json(control_file(call_control(c))), "changed", *changed,
	    "errors", lines);
}

void
diff_get(struct call *c)
{
	struct diff *d = control_diff(call_control(c));
	json_t *list, *file;
	bool changed;

	if (d == NULL) {
		call_error(c, HTTP_INTERNAL, "out of memory");
		return;
	}
	list = json_array();
	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(list, difference_json(&d->rows[i]));
	file = file_json(c, &changed);
	call_json(c, HTTP_OK,
	    json_pack("{s:b, s:o, s:o}", "same", d->n == 0 && !changed, "file",
		file, "differences", list));
	diff_free(d);
}
