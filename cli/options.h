/*
 * What a subcommand takes on its command line, as data: read with getopt_long
 * in any order, and printed as its help.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/opt.h"
#include "bench/app.h"

/* Exit statuses. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

#define TIMEOUT_NONE UINT64_MAX

enum output {
	OUTPUT_TABLE,
	OUTPUT_JSON,
};

/* Values of an option that may be given several times. */
#define OPTION_LIST_MAX 256

struct option_list {
	const char *words[OPTION_LIST_MAX];
	size_t n;
};

/* What `shunt load` is told; 0 and NULL where it is not. */
struct load_invocation {
	const char *rate, *version_from, *connect, *ca, *admin, *metrics, *html;
	bool closed, insecure;
	uint64_t ramp_ms, duration_ms, requests, timeout_ms;
	uint64_t connections, threads, streams, queue, users;
	uint64_t protocol; /* enum load_protocol */
	struct option_list agents, profiles, headers, cookies, methods, bodies;
	struct option_list ok_when, expect;
};

/* One call of a subcommand: its options, and the words that are none. */
struct invocation {
	const struct subcommand *subcommand;
	const char *config; /* never NULL */
	const char *socket; /* never NULL */
	uint64_t output;    /* enum output */
	uint64_t log_level; /* enum log_level */
	bool void_sticky;
	struct app_options app;
	struct load_invocation load;
	const char *method;	    /* of explain; NULL: GET */
	const char *client;	    /* of explain; NULL: its default */
	struct option_list headers; /* of explain: "Name: value" */
	bool wait;
	uint64_t timeout_ms;	   /* TIMEOUT_NONE: not given */
	uint64_t weight;	   /* of a pod */
	const char *to, *strategy; /* of a rollout; NULL: not given */
	bool full;		   /* promote all steps */
	char **words;
	size_t nwords;
};

/* One option; all rows of a subcommand end with a row without a name. */
struct option_row {
	char letter; /* 0 = only the long name */
	const char *name;
	const char
	    *value; /* what the help calls it; NULL: a bool, it has none */
	const char *help;
	size_t offset; /* in struct invocation */

	bool many; /* a struct option_list */
	/* A uint64_t: one of these words, as its index, ... */
	const char *const *choices;
	/* ... or a number when max is above 0, else a const char *. */
	enum opt_kind kind;
	uint64_t min, max;
};

struct subcommand {
	const char *name;
	const char *words; /* for the usage line, "" when it takes none */
	size_t min_words, max_words;
	const char *help;
	const struct option_row *rows;
	/* The exit status. */
	int (*run)(const struct invocation *in);
};

/* Rows that several subcommands share. */
#define ROW_CONFIG                                                         \
	{                                                                  \
		.letter = 'c', .name = "config", .value = "FILE",          \
		.help = "default: shunt.yaml, else /etc/shunt/shunt.yaml", \
		.offset = offsetof(struct invocation, config)              \
	}
#define ROW_SOCKET                                                        \
	{                                                                 \
		.name = "socket", .value = "PATH",                        \
		.help = "the admin socket; default: $SHUNT_SOCKET, else " \
			"/run/shunt/admin.sock",                          \
		.offset = offsetof(struct invocation, socket)             \
	}
#define ROW_OUTPUT                                                      \
	{                                                               \
		.letter = 'o', .name = "output", .value = "table|json", \
		.help = "for people or for scripts; default: table",    \
		.offset = offsetof(struct invocation, output),          \
		.choices = option_outputs                               \
	}

extern const char *const option_outputs[];

/*
 * Fills in from argv, whose first word is the subcommand's name. True when
 * it is to be run; else *status is the exit status, and all is said.
 */
bool options_read(const struct subcommand *s, int argc, char **argv,
    struct invocation *in, int *status);

/* The usage line, what it does, and its options; on stdout. */
void options_help(const struct subcommand *s);

/* Says on stderr what is wrong with the command line; EXIT_USAGE. */
int options_wrong(const struct subcommand *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
