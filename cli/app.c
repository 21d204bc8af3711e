/* shunt app: the demo app, a version that can be told to fail. */
#include "bench/app.h"

#include <string.h>

#include "cli/options.h"
#include "cli/subcommands.h"

/* What may stand between quotes in JSON and in a header without a thought. */
#define VERSION_BYTES                \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

#define AT(field) offsetof(struct invocation, app.field)

#define DAY_MS 86400000u

static const struct option_row rows[] = {
    {.name = "version",
	.value = "NAME",
	.help = "what it says it is",
	.offset = AT(version)},
    {.name = "address",
	.value = "IP",
	.help = "default: 127.0.0.1",
	.offset = AT(address)},
    {.name = "port",
	.value = "PORT",
	.help = "default: 0, any free one",
	.offset = AT(port),
	.kind = OPT_COUNT,
	.max = 65535},
    {.name = "warmup",
	.value = "TIME",
	.help = "answer 503 so long after the start",
	.offset = AT(warmup_ms),
	.kind = OPT_DURATION,
	.max = DAY_MS},
    {.name = "delay",
	.value = "TIME",
	.help = "wait before each answer",
	.offset = AT(delay_ms),
	.kind = OPT_DURATION,
	.max = DAY_MS},
    {.name = "fail-agent",
	.value = "TEXT",
	.help = "fail for clients with this in their User-Agent",
	.offset = AT(fail_agent)},
    {.name = "fail-rate",
	.value = "PERCENT",
	.help = "how often; default: 100%",
	.offset = AT(fail_rate),
	.kind = OPT_PERCENT,
	.max = OPT_PERCENT_MAX},
    {.name = "fail-status",
	.value = "STATUS",
	.help = "of failures; default: 200, with the failure in the body",
	.offset = AT(fail_status),
	.kind = OPT_COUNT,
	.min = 200,
	.max = 599},
    {.name = "seed",
	.value = "NUMBER",
	.help = "equal ones fail in the same order; default: 0",
	.offset = AT(seed),
	.kind = OPT_COUNT,
	.max = UINT64_MAX},
    {.name = NULL},
};

static int
run(const struct invocation *in)
{
	const char *version = in->app.version;

	if (version[0] == '\0' ||
	    version[strspn(version, VERSION_BYTES)] != '\0' ||
	    strlen(version) > 64)
		return options_wrong(in->subcommand,
		    "--version: expected at most 64 letters, digits, "
		    "\".\", \"_\" or \"-\"");
	return app_run(&in->app);
}

const struct subcommand subcommand_app = {
    .name = "app",
    .words = "",
    .help = "the demo app: a version that can be told to fail",
    .rows = rows,
    .run = run,
};
