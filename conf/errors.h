/*
 * What is wrong with a config file: messages with positions, collected in
 * any order and handed out in the order of the file. Main thread only.
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

struct conf_errors;

/* Both from 1, columns in characters. */
struct position {
	unsigned line, column;
};

struct error;

struct errors {
	/* the config file as its user named it; borrowed. Messages begin
	 * with it, and relative file names start in its folder. */
	const char *file;
	struct error *items;
	size_t n, room;
	bool no_memory; /* some message, or what it was about, is missing */
};

void errors_init(struct errors *e, const char *file);
void errors_free(struct errors *e);

void errors_add(struct errors *e, struct position at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Without memory the file cannot be judged: one error for all of them. */
void errors_no_memory(struct errors *e);
bool errors_any(const struct errors *e);

/*
 * Writes the messages as "file:line:column: message". The lines are the
 * caller's, to be freed with conf_errors_free().
 */
void errors_print(struct errors *e, struct conf_errors *lines);

#endif
