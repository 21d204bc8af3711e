/*
 * How files that keep their own tables in the state file read and write them:
 * the queries are prepared by control/store.c, the only file that knows
 * SQLite. For control/store.c and control/rollout_store.c only.
 */
#ifndef CONTROL_STORE_QUERY_H
#define CONTROL_STORE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

struct store;

enum query {
	BEGIN,
	COMMIT,
	ROLLBACK,
	PUT_WEIGHT,
	DROP_WEIGHTS,
	EACH_WEIGHT,
	PUT_POD,
	DROP_POD,
	DROP_PODS,
	EACH_POD,
	PUT_ROLLOUT,
	PRUNE_ROLLOUTS,
	PRUNE_DECISIONS,
	EACH_LAST_ROLLOUT,
	EACH_ROLLOUT,
	PUT_DECISION,
	FORGET_DECISIONS,
	EACH_DECISION,
	PUT_STABLE,
	DROP_STABLE,
	EACH_STABLE,
	PUT_EPOCH,
	DROP_EPOCHS,
	EACH_EPOCH,
	QUERIES,
};

/* Columns count from 1. The text is borrowed until store_run(). */
void store_bind_text(
    struct store *s, enum query q, int column, const char *value);
void store_bind_number(
    struct store *s, enum query q, int column, uint64_t value);
/*
 * With what was bound, between store_begin() and store_end(). Nothing more is
 * done once something has failed.
 */
void store_run(struct store *s, enum query q);

/* True when there is one more row; *failed when it cannot be read. */
bool store_next(struct store *s, enum query q, bool *failed);
/* No more of its rows are wanted. */
void store_enough(struct store *s, enum query q);
/* Columns count from 0; texts are good until the next row. */
const char *store_text(struct store *s, enum query q, int column);
uint64_t store_number(struct store *s, enum query q, int column);

#endif
