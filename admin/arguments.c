/* What handlers share: the service, version and body that a call names. */
#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "base/opt.h"
#include "base/span.h"
#include "control/control.h"
#include "router/plan.h"

static void
list_services(const struct plan *plan, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < plan->nservices && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
		    i > 0 ? ", " : "", plan->services[i]->name);
}

const struct service *
service_or_404(struct call *c)
{
	const struct plan *plan = control_plan(call_control(c));
	const struct service *s = plan_service(plan, call_arg(c, 0));
	char known[512], quoted[OPT_QUOTE_MAX];

	if (s != NULL)
		return s;
	list_services(plan, known, sizeof known);
	opt_quote(span_of(call_arg(c, 0)), quoted, sizeof quoted);
	call_error(c, HTTP_NOTFOUND, "no service %s; there is: %s", quoted,
	    known[0] != '\0' ? known : "none");
	return NULL;
}

const struct version *
service_version_or_404(
    struct call *c, const struct service *s, const char *name)
{
	const struct version *v = service_version(s, name);
	char quoted[OPT_QUOTE_MAX], known[512];
	size_t used = 0;

	if (v != NULL)
		return v;
	known[0] = '\0';
	for (size_t i = 0; i < s->nversions && used < sizeof known; i++)
		used += (size_t)snprintf(known + used, sizeof known - used,
		    "%s%s", i > 0 ? ", " : "", s->versions[i].name);
	opt_quote(span_of(name), quoted, sizeof quoted);
	call_error(c, HTTP_NOTFOUND,
	    "service %s has no version %s; there is: %s", s->name, quoted,
	    known);
	return NULL;
}

json_t *
object_or_400(struct call *c, const char *shape)
{
	struct span body = call_body(c);
	json_error_t error;
	json_t *object =
	    json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error);

	if (object == NULL)
		call_error(c, HTTP_BADREQUEST,
		    "JSON, line %d, column %d: %s; expected %s", error.line,
		    error.column, error.text, shape);
	else if (!json_is_object(object))
		call_error(c, HTTP_BADREQUEST, "expected %s", shape);
	else
		return object;
	json_decref(object);
	return NULL;
}

bool
set_state_warning(struct call *c, json_t *json)
{
	const char *problem = control_state_problem(call_control(c));

	if (problem != NULL)
		json_object_set_new(json, "warning",
		    json_sprintf("in force, but not kept over a restart: the "
				 "state file was not written: %s",
			problem));
	return problem != NULL;
}
