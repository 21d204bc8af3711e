/* Reading the config file again on request. */
#include <event2/http.h>
#include <jansson.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "control/control.h"

static void
reload_done(void *arg, const char *error)
{
	struct call *c = arg;

	if (error != NULL)
		call_error(c, HTTP_BADREQUEST, "%s", error);
	else
		call_json(c, HTTP_OK, json_pack("{s:b}", "reloaded", 1));
}

void
reload_post(struct call *c)
{
	control_reload(call_control(c), reload_done, c);
}
