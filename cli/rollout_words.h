/*
 * Rollouts in words: the one line that says how one stands, and when it is
 * worth a new line. Pure, any thread.
 */
#ifndef CLI_ROLLOUT_WORDS_H
#define CLI_ROLLOUT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategies/phase.h"

struct rollout_row;

/* Room for what these write, but for reasons as long as they like. */
#define ROLLOUT_WORDS_MAX 1024

/* "v1 -> v2", with an arrow of one column. */
void rollout_words_way(const struct rollout_row *r, char *buf, size_t size);
/* "canary v1 -> v2, progressing, step 1 of 3, pass: 0.4 % errors of 812" */
void rollout_words(const struct rollout_row *r, char *buf, size_t size);

/* "850ms", "42s", "3m05s", "2h03m", "14d2h": in two units at most. */
void rollout_words_time(uint64_t ms, char *buf, size_t size);

/*
 * Cuts the text to so many columns, one per character of UTF-8 and never
 * within one; 0 = as it is.
 */
void rollout_words_cut(char *text, size_t columns);

/* What was last said of a rollout. Zeroed: nothing yet. */
struct rollout_said {
	uint64_t id, step;
	enum rollout_phase phase;
	char verdict[16], reason[256];
	uint64_t at_us;
};

/*
 * Whether there is something new to say where each line stays: another phase,
 * step or verdict at once, another reason, whose numbers grow all the time,
 * after a while. If so it is what was said last.
 */
bool rollout_words_new(
    struct rollout_said *said, const struct rollout_row *r, uint64_t now_us);

#endif
