/*
 * One name that pods are resolved from: which questions it takes, what each
 * was answered last, the addresses that follow, and when to ask again. Pure:
 * time and chance are arguments. Main thread only.
 */
#ifndef CONTROL_NAME_H
#define CONTROL_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/dns_answer.h"
#include "router/draw.h"

struct address;
struct name;
struct pod_name;
struct resolver_settings;

enum name_state {
	NAME_NEW,     /* never answered */
	NAME_GOOD,    /* every question was answered, with addresses */
	NAME_EMPTY,   /* the servers say that it has no addresses */
	NAME_FAILING, /* a question found no answer */
};

/* "new", "resolved", "empty", "failing". */
const char *name_state_name(enum name_state state);

/* Copies both. NULL without memory. */
struct name *name_new(
    const struct pod_name *as, const struct resolver_settings *settings);
void name_free(struct name *n);

/* The same name, but perhaps another weight, and other settings. */
void name_follow(struct name *n, const struct pod_name *as,
    const struct resolver_settings *settings);

/*
 * A round: name_begin(), then each question that name_next() gives is asked
 * and its answer brought to name_answer(), which takes what it needs of it; an
 * answer may lead to more questions. When there are none any more, and none is
 * under way, name_end() draws the conclusion. name_begin() also forgets a round
 * that was not ended. -1 without memory: no question will come.
 */
int name_begin(struct name *n);

struct name_question {
	size_t number;
	const char *host; /* borrowed until the round ends */
	enum dns_type type;
	bool search; /* as the user wrote it */
};

bool name_next(struct name *n, struct name_question *q);
void name_answer(struct name *n, size_t number, enum dns_outcome outcome,
    const struct dns_answer *answer);
/* The roll is 32 random bits. True when state or reason are others. */
bool name_end(struct name *n, uint64_t now_us, uint32_t roll);

/* As written in the config. */
const char *name_text(const struct name *n);
enum name_state name_state(const struct name *n);
/* What is wrong, in words; "" when nothing is. */
const char *name_problem(const struct name *n);
/* When a round was good last; 0: never. */
uint64_t name_good_us(const struct name *n);
/* When the next round is due; after name_end(). */
uint64_t name_due_us(const struct name *n);
/* It has more addresses than NAME_ADDRESSES_MAX: the highest are left out. */
bool name_cut(const struct name *n);

/*
 * What it resolves to, in the order of addresses, none twice; borrowed until
 * name_end() or name_follow(). The list is NULL until it is known.
 */
size_t name_addresses(const struct name *n, const struct address **list,
    const uint16_t **weights);

/*
 * From one round to the next, in microseconds: by the TTL, in seconds, after
 * a good one; after that many failures in a row by the back-off. Where only a
 * part has failed, whichever is sooner.
 */
uint64_t name_wait_good_us(
    const struct resolver_settings *s, uint32_t ttl, uint32_t roll);
uint64_t name_wait_failed_us(
    const struct resolver_settings *s, unsigned failures, uint32_t roll);

#endif
