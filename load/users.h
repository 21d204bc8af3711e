/*
 * Simulated users of one thread: each belongs to one profile, has a cookie jar
 * and remembers which versions it has seen. They take turns.
 */
#ifndef LOAD_USERS_H
#define LOAD_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include "load/board.h"
#include "load/jar.h"

struct profiles;

struct user {
	uint64_t number; /* from 1 on, over all threads */
	struct jar jar;
	uint64_t seen;	  /* a bit for each version */
	unsigned version; /* the last one; BOARD_NO_VERSION at first */
	uint64_t latest;  /* request judged last, + 1 */
};

struct users;

/*
 * The users number `thread`, `thread` + `threads`, ... of `total`, which are
 * dealt to profiles by their shares, at least one to each in each thread. NULL
 * without memory.
 */
struct users *users_new(const struct profiles *profiles, uint64_t total,
    unsigned thread, unsigned threads);
void users_free(struct users *u);

/* Whose turn it is among the users of a profile. */
struct user *users_next(struct users *u, unsigned profile);

/*
 * Request k of the user was answered by that version. True when it flipped:
 * it left a version, and this one is not new to it. An answer to an older
 * request than the latest judged one says nothing: two were under way.
 */
bool user_saw(struct user *user, unsigned version, uint64_t k);

#endif
