/*
 * From a YAML file to settings and services: tree with positions, option
 * tables, cross-checks. Every error is collected, none stops the pass.
 * Main thread only.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/settings.h"
#include "router/spec.h"

/* Bytes of a config file. */
#define CONF_FILE_MAX (16u << 20)

struct conf {
	struct settings settings;
	struct spec *spec; /* owned; plan_build() takes matches out of it */
	uint64_t digest;   /* of the file's text */
};

/* "file:line:column: message", in the order of the file. */
struct conf_errors {
	char **lines;
	size_t n;
};

/* NULL when there was any error; then errors has at least one line. */
struct conf *conf_load(const char *path, struct conf_errors *errors);
/*
 * The same from memory; `name` stands for the file, in messages and where its
 * folder matters.
 */
struct conf *conf_parse(
    const char *name, const char *text, size_t len, struct conf_errors *errors);
/* Of the text that the file has now; false when it cannot be read. */
bool conf_digest(const char *path, uint64_t *digest);
void conf_free(struct conf *c);
void conf_errors_free(struct conf_errors *errors);

/*
 * Every key of the config, one per line: its path (as
 * services.<name>.routes[].host), then, each after a tab, what it expects,
 * its default and its meaning.
 */
void conf_print_options(FILE *out);

#endif
