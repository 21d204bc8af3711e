/*
 * What a process writes, as lines fit for the log: control bytes and what is
 * not UTF-8 are written \xNN, a line that is too long becomes several pieces.
 * Pure.
 */
#ifndef CONTROL_LAUNCH_LINES_H
#define CONTROL_LAUNCH_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a piece as it is logged, its NUL included. */
#define LAUNCH_LINE_MAX 1024u
/* At the end of a piece that is not the last one of its line. */
#define LAUNCH_LINE_CUT " [...]"

/* Zeroed, then used. */
struct launch_lines {
	char text[LAUNCH_LINE_MAX];
	size_t n;
	char held[4]; /* the beginning of a character */
	size_t nheld;
	bool cut; /* the line began in an earlier piece */
};

typedef void launch_line(void *arg, const char *text);

/*
 * Eats bytes up to the end of a line or of a piece, which is told, and says
 * how many: all of them where nothing was told.
 */
size_t launch_lines_feed(struct launch_lines *l, const char *bytes, size_t n,
    launch_line *told, void *arg);
/* Nothing more comes: what is there is a line. */
void launch_lines_end(struct launch_lines *l, launch_line *told, void *arg);

#endif
