/* shunt load: the load tester that knows versions. */
#include "load/load.h"

#include <stdio.h>

#include "cli/options.h"
#include "cli/subcommands.h"

#define AT(field) offsetof(struct invocation, load.field)

#define HOUR_MS	   3600000u
#define LONGEST_MS (24ull * 31 * HOUR_MS)
#define COUNT_MAX  1000000000000ull

static const char *const protocols[] = {
    [LOAD_PROTOCOL_AUTO] = "auto",
    [LOAD_PROTOCOL_H1] = "h1",
    [LOAD_PROTOCOL_H2] = "h2",
    NULL,
};

static const struct option_row rows[] = {
    {.letter = 'r',
	.name = "rate",
	.value = "RATE",
	.help = "requests per second, as 200 or 100..2000; default: " LOAD_RATE,
	.offset = AT(rate)},
    {.name = "ramp",
	.value = "TIME",
	.help = "how long the rate changes; default: the whole duration",
	.offset = AT(ramp_ms),
	.kind = OPT_DURATION,
	.max = LONGEST_MS},
    {.name = "closed",
	.help = "a closed loop: each connection asks when it was answered",
	.offset = AT(closed)},
    {.letter = 'd',
	.name = "duration",
	.value = "TIME",
	.help = "default: 10s, or as long as --requests take",
	.offset = AT(duration_ms),
	.kind = OPT_DURATION,
	.min = 1,
	.max = LONGEST_MS},
    {.letter = 'n',
	.name = "requests",
	.value = "NUMBER",
	.help = "no more than these",
	.offset = AT(requests),
	.kind = OPT_COUNT,
	.min = 1,
	.max = COUNT_MAX},
    {.letter = 'c',
	.name = "connections",
	.value = "NUMBER",
	.help = "at most; default: 100",
	.offset = AT(connections),
	.kind = OPT_COUNT,
	.min = 1,
	.max = 1000000},
    {.letter = 't',
	.name = "threads",
	.value = "NUMBER",
	.help = "default: 1",
	.offset = AT(threads),
	.kind = OPT_COUNT,
	.min = 1,
	.max = 256},
    {.name = "timeout",
	.value = "TIME",
	.help = "from the intended time to the end of the answer; "
		"default: 10s",
	.offset = AT(timeout_ms),
	.kind = OPT_DURATION,
	.min = 1,
	.max = HOUR_MS},
    {.name = "queue",
	.value = "NUMBER",
	.help = "requests that may wait for a connection; default: 100000",
	.offset = AT(queue),
	.kind = OPT_COUNT,
	.min = 1,
	.max = 100000000},
    {.name = "protocol",
	.value = "auto|h1|h2",
	.help = "auto: over TLS what the server picks, else h1",
	.offset = AT(protocol),
	.choices = protocols},
    {.name = "streams",
	.value = "NUMBER",
	.help = "at a time on one HTTP/2 connection; default: 100, "
		"with --closed 1",
	.offset = AT(streams),
	.kind = OPT_COUNT,
	.min = 1,
	.max = 10000},
    {.name = "agent",
	.value = "NAME=SHARE",
	.help = "a profile that says so in User-Agent, as Good=50%",
	.offset = AT(agents),
	.many = true},
    {.name = "profile",
	.value = "NAME=SHARE",
	.help = "a profile without a User-Agent of its own",
	.offset = AT(profiles),
	.many = true},
    {.name = "users",
	.value = "NUMBER",
	.help = "simulated users, each with cookies of its own",
	.offset = AT(users),
	.kind = OPT_COUNT,
	.min = 1,
	.max = 10000000},
    {.letter = 'H',
	.name = "header",
	.value = "NAME: VALUE",
	.help = "{user}: its number; \"[PROFILE] \" before it: only there",
	.offset = AT(headers),
	.many = true},
    {.name = "cookie",
	.value = "NAME=VALUE",
	.help = "{user} and \"[PROFILE] \" as for headers",
	.offset = AT(cookies),
	.many = true},
    {.letter = 'X',
	.name = "method",
	.value = "METHOD",
	.help = "default: GET, with a body POST; \"[PROFILE] \" before it",
	.offset = AT(methods),
	.many = true},
    {.name = "body",
	.value = "TEXT|@FILE",
	.help = "of each request; \"[PROFILE] \" before it: only there",
	.offset = AT(bodies),
	.many = true},
    {.name = "version-from",
	.value = "PLACE",
	.help = "header:NAME, json:FIELD, none; default: "
		"header:X-Shunt-Version",
	.offset = AT(version_from)},
    {.name = "ok-when",
	.value = "CONDITION",
	.help = "status=200-299, json:FIELD=VALUE, header:NAME=VALUE",
	.offset = AT(ok_when),
	.many = true},
    {.name = "expect",
	.value = "WHAT",
	.help = "exit 1 unless failures=0, share:v2=20%+-1%, flips=0, ...",
	.offset = AT(expect),
	.many = true},
    {.name = "admin",
	.value = "ADDRESS",
	.help = "marks for what shunt tells there: a socket's path or IP:PORT",
	.offset = AT(admin)},
    {.name = "metrics",
	.value = "IP:PORT",
	.help = "serve live Prometheus counters of the run",
	.offset = AT(metrics)},
    {.name = "html",
	.value = "FILE",
	.help = "write a report with plots",
	.offset = AT(html)},
    {.name = "connect",
	.value = "ADDRESS",
	.help = "IP:PORT or unix:PATH to go to instead of the URL's host",
	.offset = AT(connect)},
    {.name = "ca",
	.value = "FILE",
	.help = "certificates to trust; default: the system's",
	.offset = AT(ca)},
    {.letter = 'k',
	.name = "insecure",
	.help = "take any certificate",
	.offset = AT(insecure)},
    ROW_OUTPUT,
    {.name = NULL},
};

static struct load_words
words(const struct option_list *list)
{
	return (struct load_words){list->words, list->n};
}

static void
fill(const struct invocation *in, struct load_options *o)
{
	*o = (struct load_options){
	    .url = in->words[0],
	    .rate = in->load.rate,
	    .closed = in->load.closed,
	    .ramp_ms = in->load.ramp_ms,
	    .duration_ms = in->load.duration_ms,
	    .requests = in->load.requests,
	    .connections = in->load.connections,
	    .threads = in->load.threads,
	    .streams = in->load.streams,
	    .queue = in->load.queue,
	    .users = in->load.users,
	    .timeout_ms = in->load.timeout_ms,
	    .agents = words(&in->load.agents),
	    .profiles = words(&in->load.profiles),
	    .headers = words(&in->load.headers),
	    .cookies = words(&in->load.cookies),
	    .methods = words(&in->load.methods),
	    .bodies = words(&in->load.bodies),
	    .version_from = in->load.version_from,
	    .ok_when = words(&in->load.ok_when),
	    .expect = words(&in->load.expect),
	    .protocol = in->load.protocol,
	    .connect = in->load.connect,
	    .ca = in->load.ca,
	    .insecure = in->load.insecure,
	    .admin = in->load.admin,
	    .metrics = in->load.metrics,
	    .html = in->load.html,
	    .json = in->output == OUTPUT_JSON,
	};
	if (o->streams == 0)
		o->streams = o->closed ? 1 : LOAD_STREAMS;
}

static int
run(const struct invocation *in)
{
	struct load_options options;
	struct trial *trial;
	char why[1024];
	int status;

	fill(in, &options);
	trial = load_prepare(&options, why, sizeof why);
	if (trial == NULL)
		return options_wrong(in->subcommand, "%s", why);
	status = load_run(trial) == 0 ? EXIT_OK : EXIT_FAILED;
	load_forget(trial);
	return status;
}

const struct subcommand subcommand_load = {
    .name = "load",
    .words = "URL",
    .min_words = 1,
    .max_words = 1,
    .help = "an open-loop load tester that knows versions",
    .rows = rows,
    .run = run,
};
