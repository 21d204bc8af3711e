/* The command line: the table of subcommands, and its help. */
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/subcommands.h"
#include "conf/suggest.h"
#include "control/guard_main.h"

static const struct subcommand *const subcommands[] = {
    &subcommand_run,
    &subcommand_check,
    &subcommand_status,
    &subcommand_weight,
    &subcommand_rollout,
    &subcommand_diff,
    &subcommand_explain,
    &subcommand_pod,
    &subcommand_load,
    &subcommand_app,
};

#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

static void
print_help(FILE *out)
{
	fprintf(out, "usage: shunt COMMAND [OPTION]... [WORD]...\n"
		     "a load-balancing reverse proxy that understands "
		     "releases\n\n");
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		fprintf(out, "  %-8s %s\n", subcommands[i]->name,
		    subcommands[i]->help);
	fprintf(out, "\nshunt help COMMAND tells what it takes; "
		     "shunt --version, which release this is\n");
}

static const struct subcommand *
find_subcommand(const char *name)
{
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		if (strcmp(subcommands[i]->name, name) == 0)
			return subcommands[i];
	return NULL;
}

static int
unknown_subcommand(const char *name)
{
	const char *names[SUBCOMMANDS + 1], *nearest;
	char quoted[OPT_QUOTE_MAX];

	for (size_t i = 0; i < SUBCOMMANDS; i++)
		names[i] = subcommands[i]->name;
	names[SUBCOMMANDS] = "help";
	nearest = suggest_nearest(name, names, SUBCOMMANDS + 1);
	opt_quote(span_of(name), quoted, sizeof quoted);
	fprintf(stderr, "shunt: there is no command %s", quoted);
	if (nearest != NULL)
		fprintf(stderr, "; did you mean %s?", nearest);
	fprintf(stderr, "\nshunt --help lists them\n");
	return EXIT_USAGE;
}

static int
help(int argc, char **argv)
{
	const struct subcommand *s;

	if (argc < 2) {
		print_help(stdout);
		return EXIT_OK;
	}
	s = find_subcommand(argv[1]);
	if (s == NULL)
		return unknown_subcommand(argv[1]);
	options_help(s);
	return EXIT_OK;
}

int
main(int argc, char **argv)
{
	const struct subcommand *s;
	struct invocation in;
	int status;

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	argc--;
	argv++;
	if (strcmp(argv[0], GUARD_WORD) == 0)
		return guard_main();
	if (strcmp(argv[0], "--version") == 0) {
		printf("shunt " SHUNT_VERSION "\n");
		return EXIT_OK;
	}
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
	    strcmp(argv[0], "help") == 0)
		return help(argc, argv);
	s = find_subcommand(argv[0]);
	if (s == NULL)
		return unknown_subcommand(argv[0]);
	if (!options_read(s, argc, argv, &in, &status))
		return status;
	status = s->run(&in);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "shunt: cannot write the output\n");
		return EXIT_FAILED;
	}
	return status;
}
