/*
 * Rollouts in the state file: each as it stands or ended, with what was
 * decided, and the stable versions that they have made. Main thread only.
 */
#ifndef CONTROL_ROLLOUT_STORE_H
#define CONTROL_ROLLOUT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* As control/rollout.h explains them. Texts are borrowed. */
struct stored_rollout {
	uint64_t id;
	const char *service, *strategy, *from, *to, *phase, *verdict, *reason;
	uint64_t started_us, ended_us, paused_us, paused_at_us;
	unsigned step, steps;
	uint64_t paused_by, verb; /* enums */
	bool undo;
	/* struct strategy_state */
	uint64_t stage, at_step, since_us, old_wanted, new_wanted;
	/* what is in force */
	uint64_t share, old_replicas, new_replicas, lead;
	bool closed;
};

struct stored_decision {
	uint64_t seq; /* from 1 on, by rollout */
	uint64_t time_us;
	const char *action, *reason;
};

/* What a rollout made the stable version, and the file's own at that time. */
struct stored_stable {
	const char *service, *version, *filed;
};

/* Between store_begin() and store_end(). */
void rollout_store_put(struct store *s, const struct stored_rollout *r);
void rollout_store_decide(
    struct store *s, uint64_t id, const struct stored_decision *d);
/* All of the rollout's decisions before this one. */
void rollout_store_forget_before(struct store *s, uint64_t id, uint64_t seq);
/* All of the service's but the newest `keep`. */
void rollout_store_prune(struct store *s, const char *service, uint64_t keep);
void rollout_store_stable(struct store *s, const struct stored_stable *v);
void rollout_store_drop_stable(struct store *s, const char *service);

typedef void rollout_store_row(void *arg, const struct stored_rollout *r,
    const struct stored_decision *decisions, size_t n);

/*
 * The newest rollout of each service; the newest of one service, latest first.
 * What a row points to is good during the call, which must not write. A text
 * that cannot be read is "". -1 when they cannot be read, or without memory.
 */
int rollout_store_each_last(
    struct store *s, rollout_store_row *each, void *arg);
int rollout_store_each(struct store *s, const char *service, size_t limit,
    rollout_store_row *each, void *arg);
int rollout_store_each_stable(struct store *s,
    void (*each)(void *arg, const struct stored_stable *v), void *arg);

#endif
