/* Calls of one thread: issued, given to connections, answered, counted. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "load/count.h"
#include "load/runner_state.h"
#include "router/split.h"

/* A call that takes longer to get a connection is told of. */
#define LONG_WAIT_NS 1000000u

static struct call *
call_new(struct runner *r)
{
	struct call *call = TAILQ_FIRST(&r->spare);

	if (call != NULL)
		TAILQ_REMOVE(&r->spare, call, link);
	else
		call = calloc(1, sizeof *call);
	if (call == NULL)
		return NULL;
	TAILQ_INSERT_TAIL(&r->calls, call, link);
	count_add(&r->in_flight, 1);
	call->conn = NULL;
	call->user = NULL;
	call->resent = 0;
	judge_begin(&call->answer);
	return call;
}

static void
call_wait(struct runner *r, struct call *call)
{
	TAILQ_INSERT_TAIL(&r->waiting, call, waiting);
	r->nwaiting++;
}

static void
call_wait_no_more(struct runner *r, struct call *call)
{
	TAILQ_REMOVE(&r->waiting, call, waiting);
	r->nwaiting--;
}

static void
call_end(struct runner *r, struct call *call)
{
	TAILQ_REMOVE(&r->calls, call, link);
	TAILQ_INSERT_HEAD(&r->spare, call, link);
	count_add(&r->in_flight, (uint64_t)-1);
}

/* Books it; latency_ns is UINT64_MAX where there was no answer. */
static void
call_count(
    struct runner *r, struct call *call, enum failure why, uint64_t latency_ns)
{
	unsigned version = call->answer.version;
	struct score *s = board_score(r->board, version, call->profile);

	timeline_add(r->timeline, call->intended_ns, version,
	    why != FAILURE_NONE, latency_ns);
	if (why == FAILURE_NONE)
		downtime_succeeded(&r->downtime, r->now_ns);
	else
		downtime_failed(&r->downtime, call->k, call->intended_ns);
	if (s == NULL)
		return;
	count_add(&s->requests, 1);
	if (why != FAILURE_NONE)
		count_add(&s->failures[why], 1);
	if (latency_ns == UINT64_MAX)
		return;
	histogram_add(&s->latency, latency_ns);
	if (call->answer.status <= BOARD_STATUS_MAX)
		count_add(
		    &s->statuses[call->answer.status - BOARD_STATUS_MIN], 1);
}

/* A closed loop goes on with the next one. */
static bool
has_next(const struct runner *r)
{
	return r->closed && !r->stopping && r->next < r->quota &&
	       r->now_ns < r->trial->duration_ns;
}

void
runner_answered(struct runner *r, struct call *call)
{
	enum failure why =
	    judge_end(&r->trial->judge, r->board, &r->known, &call->answer);

	if (call->user != NULL &&
	    user_saw(call->user, call->answer.version, call->k))
		count_add(&r->flips, 1);
	call_count(r, call, why, r->now_ns - call->intended_ns);
	call_end(r, call);
	if (!has_next(r))
		return;
	runner_issue(r, r->now_ns);
	runner_pump(r);
}

void
runner_failed(struct runner *r, struct call *call, enum failure why)
{
	/* what it said before it broke off is no answer */
	call->answer.version = BOARD_NO_VERSION;
	call_count(r, call, why, UINT64_MAX);
	call_end(r, call);
	/* not at once: a server that refuses must not be asked all the time */
	r->owed += r->closed;
}

void
runner_reason(struct runner *r, enum failure kind, const char *words)
{
	if (r->reasons[kind][0] == '\0')
		snprintf(r->reasons[kind], REASON_MAX, "%s", words);
}

void
runner_resend(struct runner *r, struct call *call)
{
	call->conn = NULL;
	call->resent++;
	count_add(&r->resent, 1);
	judge_begin(&call->answer);
	TAILQ_INSERT_HEAD(&r->waiting, call, waiting);
	r->nwaiting++;
}

void
runner_field(
    struct runner *r, struct call *call, struct span name, struct span value)
{
	judge_field(&r->trial->judge, r->board, &call->answer, name, value);
	if (call->user != NULL && span_eq_nocase(name, SPAN("set-cookie")))
		jar_set(&call->user->jar, value, clock_wall_us());
}

void
runner_set_idle(struct connection *c, bool idle)
{
	if (c->is_idle == idle)
		return;
	c->is_idle = idle;
	if (idle)
		TAILQ_INSERT_HEAD(&c->runner->idle, c, idle);
	else
		TAILQ_REMOVE(&c->runner->idle, c, idle);
}

void
runner_set_dirty(struct connection *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&c->runner->dirty, c, dirty);
}

void
runner_opened(struct connection *c)
{
	struct runner *r = c->runner;

	runner_set_idle(c, true);
	/* its settings are to be sent in any case */
	if (c->codec->flush != NULL)
		runner_set_dirty(c);
	runner_pump(r);
}

void
runner_unopened(struct runner *r, enum failure why)
{
	struct call *call = TAILQ_FIRST(&r->waiting);

	if (call == NULL)
		return;
	call_wait_no_more(r, call);
	runner_failed(r, call, why);
}

/*
 * Whether one more call may wait. Many may be due at once while connections
 * are free for them; and whom a connection is being opened for does not wait
 * for others.
 */
static bool
has_queue_room(struct runner *r)
{
	if (r->nwaiting < r->waiting_max)
		return true;
	runner_pump(r);
	return r->nwaiting <
	       r->waiting_max + (uint64_t)r->opening * r->per_connection;
}

void
runner_issue(struct runner *r, uint64_t intended_ns)
{
	const struct trial *trial = r->trial;
	struct call *call = call_new(r);
	/*
	 * Threads of a closed loop go at their own pace, so each of them deals
	 * out all profiles, beginning at another place.
	 */
	uint64_t k = r->next * r->threads + r->thread, n = r->next++;

	count_add(&r->issued, 1);
	if (call == NULL) {
		downtime_failed(&r->downtime, k, intended_ns);
		return;
	}
	call->profile =
	    split_at(trial->profiles.split, r->closed ? n + r->thread : k);
	call->k = k;
	call->intended_ns = intended_ns;
	if (r->users != NULL)
		call->user = users_next(r->users, call->profile);
	if (!r->closed && !has_queue_room(r)) {
		runner_failed(r, call, FAILURE_NOT_SENT);
		return;
	}
	call_wait(r, call);
}

void
runner_pump(struct runner *r)
{
	while (!TAILQ_EMPTY(&r->waiting)) {
		struct connection *c = TAILQ_FIRST(&r->idle);
		struct call *call = TAILQ_FIRST(&r->waiting);

		if (c != NULL) {
			call_wait_no_more(r, call);
			call->conn = c;
			if (!r->closed &&
			    r->now_ns - call->intended_ns > LONG_WAIT_NS)
				count_add(&r->waited, 1);
			c->codec->submit(c, call);
			continue;
		}
		if (r->nconnections == r->connections_max ||
		    (uint64_t)r->opening * r->per_connection >= r->nwaiting)
			break;
		if (connection_new(r))
			continue;
		/* that is not the server's fault; and one may get free */
		if (r->nconnections > 0)
			break;
		runner_unopened(r, FAILURE_NOT_SENT);
	}
}

/* Why a call that waits was not sent in time. */
static enum failure
why_unsent(const struct runner *r)
{
	const struct connection *c;

	TAILQ_FOREACH (c, &r->all, link) {
		if (c->state == CONNECTION_CONNECTING)
			return FAILURE_CONNECT;
		if (c->state == CONNECTION_SHAKING)
			return FAILURE_TLS;
	}
	return FAILURE_NOT_SENT;
}

static void
expire_call(struct runner *r, struct call *call)
{
	struct connection *c = call->conn;

	if (c == NULL) {
		call_wait_no_more(r, call);
		runner_failed(r, call, why_unsent(r));
		return;
	}
	c->codec->cancel(c, call);
	runner_failed(r, call, FAILURE_TIMEOUT);
}

void
runner_expire(struct runner *r)
{
	uint64_t timeout_ns = r->trial->options.timeout_ms * 1000000u;
	struct connection *c, *next;
	struct call *call;

	while ((call = TAILQ_FIRST(&r->calls)) != NULL &&
	       r->now_ns - call->intended_ns >= timeout_ns)
		expire_call(r, call);
	TAILQ_FOREACH_SAFE (c, &r->all, link, next)
		if (c->state < CONNECTION_OPEN &&
		    r->now_ns - c->since_ns >= timeout_ns)
			connection_close(c);
}
