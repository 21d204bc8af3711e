/*
 * Access log lines: an entry as a JSON object or in Apache's combined format
 * with our own fields behind it. Whatever a client sends, an entry is one
 * line and stays within its field. Pure.
 */
#ifndef PROXY_ACCESS_FORMAT_H
#define PROXY_ACCESS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "proxy/access_entry.h"

/* A byte of text takes at most six of a line; names and numbers the rest. */
#define ACCESS_LINE_MAX (6u * ACCESS_TEXT_BYTES + 2048u)

/* What goes on from line to line: the text of the second they share. */
struct access_format {
	enum log_format format;
	uint64_t second;
	char when[32];
};

void access_format_init(struct access_format *f, enum log_format format);

/*
 * Writes the line, its newline included, into at least ACCESS_LINE_MAX
 * bytes; returns its length.
 */
size_t access_format_line(
    struct access_format *f, const struct access_entry *e, char *buf);

#endif
