/*
 * What an answer says: which version it came from, and whether it is a good
 * one. Bodies are read as JSON only where the command line asks for a field.
 */
#ifndef LOAD_JUDGE_H
#define LOAD_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "load/board.h"
#include "load/buffer.h"

#define JUDGE_CONDITIONS_MAX 16u
/* A longer body is not read, and so has no field. */
#define JUDGE_BODY_MAX (1u << 20)
#define JUDGE_VERSION  "header:X-Shunt-Version"

struct load_words;

/* Spans point into the words it was read from. */
struct judge_condition {
	bool json; /* else a header */
	struct span key, value;
};

struct judge {
	bool version_header, version_json; /* at most one */
	struct span version;		   /* header's name or path */
	bool status_given;
	bool good_status[BOARD_STATUS_MAX + 1];
	struct judge_condition conditions[JUDGE_CONDITIONS_MAX];
	size_t nconditions;
	bool wants_body;
};

/* What was seen of one answer; judge_begin() before each. */
struct answer {
	int status; /* 0: there was none */
	unsigned version;
	uint32_t met; /* a bit for each condition */
	struct buffer body;
};

/*
 * What the latest bodies said: those of one version are mostly the same. One
 * thread's; zeroed at first.
 */
#define JUDGE_KNOWN	16u
#define JUDGE_KNOWN_MAX 512u

struct judge_known {
	size_t n; /* 0: nothing is known here */
	unsigned version;
	uint32_t met;
	char body[JUDGE_KNOWN_MAX];
};

struct judge_memory {
	unsigned next;
	struct judge_known list[JUDGE_KNOWN];
};

/* False with the reason in why (one line). version_from may be NULL. */
bool judge_read(struct judge *j, const char *version_from,
    const struct load_words *ok_when, char *why, size_t why_size);

void judge_begin(struct answer *a);
/* Of the final head, or its trailers. */
void judge_field(const struct judge *j, struct board *b, struct answer *a,
    struct span name, struct span value);
/* A piece of the body. */
void judge_body(const struct judge *j, struct answer *a, struct span piece);
/* The whole answer is there: FAILURE_NONE, _STATUS or _BODY. */
enum failure judge_end(const struct judge *j, struct board *b,
    struct judge_memory *m, struct answer *a);

#endif
