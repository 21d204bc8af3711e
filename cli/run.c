/* shunt run: the proxy and its admin API, in the foreground. */
#include <signal.h>
#include <stdio.h>

#include "admin/admin.h"
#include "admin/socket.h"
#include "base/log.h"
#include "cli/conf_file.h"
#include "cli/options.h"
#include "cli/subcommands.h"
#include "conf/conf.h"
#include "control/control.h"

static const char *const levels[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
    NULL,
};

static const struct option_row rows[] = {
    ROW_CONFIG,
    {.name = "log-level",
	.value = "debug|info|warn|error",
	.help = "default: info",
	.offset = offsetof(struct invocation, log_level),
	.choices = levels},
    {.name = NULL},
};

static void
log_ready(const struct control *c)
{
	const struct settings *settings = control_settings(c);
	char listeners[512];
	const char *address;
	unsigned connections;
	size_t used = 0;

	listeners[0] = '\0';
	for (size_t i = 0; used < sizeof listeners &&
			   control_listener(c, i, &address, &connections);
	     i++)
		used += (size_t)snprintf(listeners + used,
		    sizeof listeners - used, "%s%s", i > 0 ? "," : "", address);
	log_info("ready listen=%s workers=%u admin=%s,%s services=%zu",
	    listeners, control_workers(c),
	    settings->admin_socket != NULL ? settings->admin_socket : "-",
	    settings->admin.len > 0 ? settings->admin.text : "-",
	    control_plan(c)->nservices);
}

/* Consumes the conf. */
static int
serve(const char *path, struct conf *conf)
{
	const char *socket = conf->settings.admin_socket;
	struct control *control;
	struct admin *admin;
	char why[1024];
	int rc = -1;

	/* Before a listener is bound: it would take requests from the other. */
	if (socket != NULL && socket_taken(socket, why, sizeof why)) {
		conf_free(conf);
		fprintf(stderr, "shunt: %s\n", why);
		return -1;
	}
	control = control_new(path, conf, why, sizeof why);
	if (control == NULL) {
		fprintf(stderr, "shunt: %s\n", why);
		return -1;
	}
	admin = admin_new(control, why, sizeof why);
	if (admin != NULL) {
		log_ready(control);
		rc = control_run(control);
	} else
		fprintf(stderr, "shunt: %s\n", why);
	admin_free(admin);
	control_free(control);
	return rc;
}

static int
run(const struct invocation *in)
{
	struct conf *conf;

	log_set_level((enum log_level)in->log_level);
	conf = load_conf(in->config);
	if (conf == NULL)
		return EXIT_FAILED;
	/* A peer that goes away is an error of its socket, not of ours. */
	signal(SIGPIPE, SIG_IGN);
	return serve(in->config, conf) == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct subcommand subcommand_run = {
    .name = "run",
    .words = "",
    .help = "the proxy, in the foreground; SIGTERM drains, SIGHUP reloads",
    .rows = rows,
    .run = run,
};
