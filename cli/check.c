/* shunt check: whether a config file would start. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/conf_file.h"
#include "cli/options.h"
#include "cli/subcommands.h"
#include "conf/conf.h"
#include "router/plan.h"

static const struct option_row rows[] = {
    ROW_CONFIG,
    {.name = NULL},
};

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void
print_ok(const char *path, const struct spec *spec)
{
	size_t services = spec->nservices, versions = 0, pods = 0, names = 0;

	for (size_t i = 0; i < services; i++) {
		const struct service_spec *s = &spec->services[i];

		versions += s->nversions;
		for (size_t k = 0; k < s->nversions; k++) {
			pods += s->versions[k].npods;
			names += s->versions[k].nnames;
		}
	}
	printf("%s: ok (%zu service%s, %zu version%s, %zu pod%s", path,
	    services, plural(services), versions, plural(versions), pods,
	    plural(pods));
	if (names > 0)
		printf(", %zu name%s", names, plural(names));
	printf(")\n");
}

/* What only a plan can tell, so that `run` refuses nothing that passed. */
static int
check_plan(const char *path, struct conf *conf)
{
	struct plan *plan;
	char why[512];

	plan = plan_build(conf->spec, NULL, 1, clock_now_us(), why, sizeof why);
	if (plan == NULL) {
		fprintf(stderr, "%s: %s\n", path, why);
		return EXIT_FAILED;
	}
	plan_drop(plan);
	print_ok(path, conf->spec);
	return EXIT_OK;
}

static int
run(const struct invocation *in)
{
	struct conf *conf;
	int status;

	conf = load_conf(in->config);
	if (conf == NULL)
		return EXIT_FAILED;
	status = check_plan(in->config, conf);
	conf_free(conf);
	return status;
}

const struct subcommand subcommand_check = {
    .name = "check",
    .words = "",
    .help = "validate a config file",
    .rows = rows,
    .run = run,
};
