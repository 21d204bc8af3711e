/* Letting requests wait, and letting them go. */
#include "proxy/waiting.h"

#include <stdlib.h>
#include <sys/time.h>

#include <event2/event.h>

#include "base/check.h"
#include "proxy/client.h"
#include "proxy/conn.h"
#include "proxy/parking.h"
#include "proxy/plan_use.h"
#include "proxy/queue.h"
#include "proxy/stats.h"
#include "proxy/txn_state.h"
#include "proxy/vacancy.h"
#include "proxy/worker_state.h"
#include "router/choose.h"
#include "router/claim.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/sticky_find.h"

static void
refuse(struct txn *t, enum err e)
{
	stats_failure(t->version, t->worker->index, e);
	txn_reply(t, e);
}

/* It goes on by the worker's plan, the first one being held for its route. */
static void
follow(struct txn *t, const struct service *s, const struct version *v)
{
	struct plan_use *before = t->later;

	t->later = plan_use_hold(t->worker->plan);
	if (t->stuck != t->version || !sticky_is_on(s))
		t->stuck = NULL;
	else
		t->stuck = v;
	t->stuck_pod = NULL;
	t->service = s;
	t->version = v;
	t->version_lost = false;
	if (before == NULL)
		return;
	if (before != t->later)
		t->ntried = 0; /* these pods may go with that plan */
	plan_use_drop(before);
}

/* By the same version of the worker's plan, if that still has it. */
static void
catch_up(struct txn *t)
{
	const struct plan *plan = t->worker->plan->plan;
	const struct service *s = plan_service(plan, t->service->name);
	const struct version *v = NULL;

	if (s != NULL)
		v = service_version(s, t->version->name);
	if (v != NULL && v->tally == t->version->tally)
		follow(t, s, v);
	else
		t->version_lost = true;
}

static bool
is_behind(const struct txn *t)
{
	const struct plan_use *plan = t->later != NULL ? t->later : t->plan;

	return plan != t->worker->plan && !t->version_lost;
}

/* What `empty` says, of the rule that chose the version if one did. */
static bool
may_be_stable(const struct txn *t)
{
	const struct service *s = plan_service(t->plan->plan, t->service->name);

	CHECK(s != NULL);
	if (t->rule < 0)
		return s->terms->empty_stable;
	return ruleset_empty_stable(s->rules, t->rule, s->terms->empty_stable);
}

/* To the stable version of the worker's plan; false: it may not, or cannot. */
static bool
take_stable(struct txn *t)
{
	const struct service *s =
	    plan_service(t->worker->plan->plan, t->service->name);

	if (s == NULL || s->versions[s->stable].nready == 0 ||
	    !may_be_stable(t))
		return false;
	follow(t, s, &s->versions[s->stable]);
	t->stuck = NULL;
	t->chosen = CHOICE_STABLE;
	return true;
}

/*
 * Its version has no ready pod any more, or its service is closed: it goes
 * where it would have gone if it came now. False when it has some.
 */
static bool
go_elsewhere(struct txn *t)
{
	if (parking_is_due(t)) {
		txn_go(t, TXN_CHOOSE);
		parking_enter(t, NULL);
		return true;
	}
	if (!t->version_lost && t->version->nready > 0)
		return false;
	txn_go(t, TXN_CHOOSE);
	if (take_stable(t))
		txn_connect(t);
	else
		refuse(t, ERR_NO_POD);
	return true;
}

void
waiting_follow(struct txn *t)
{
	if (is_behind(t))
		catch_up(t);
}

bool
waiting_keep_up(struct txn *t)
{
	waiting_follow(t);
	if (!t->version_lost && t->version->nready > 0)
		return true;
	/* where it may not go there, a pod it had is better than none */
	if (take_stable(t) || !t->version_lost)
		return true;
	refuse(t, ERR_NO_POD);
	return false;
}

static enum pick_lack
try_first(struct worker *w, struct queue *q, struct txn *t)
{
	if (!queue_yields(q->tally, q->worker, t->waiter.rank_us))
		return txn_try(t);
	vacancy_pass_on(w, q->tally);
	return LACK_ROOM;
}

/*
 * The first of the queue and those behind it, as far as there is room. Any of
 * them may be gone by the time another one is dealt with, and the queue with
 * the last one; its memory stays for the turn.
 */
static void
let_go(struct worker *w, struct queue *q)
{
	enum pick_lack lack;
	struct waiter *e;

	if (parking_let_go(w, q))
		return;
	while ((e = queue_first(q)) != NULL) {
		if (go_elsewhere(txn_waiting(e)))
			continue;
		lack = try_first(w, q, txn_waiting(e));
		if (lack == LACK_NOTHING)
			continue;
		if (lack == LACK_CONNECT) {
			queue_show(q, false);
			vacancy_pass_on(w, q->tally);
			return;
		}
		if (q->shown)
			return;
		queue_show(q, true); /* and look once more */
	}
}

static void
tick_on(struct waiting *all)
{
	const struct timeval tick = {0, WAITING_TICK_US};

	if (!all->ticking)
		event_add(all->ticker, &tick);
	all->ticking = true;
}

/* One that has waited too long; NULL when there is none. */
static struct txn *
find_due(struct worker *w)
{
	struct waiter *e;
	struct queue *q;

	TAILQ_FOREACH (q, &w->vacancy.queues, link)
		if ((e = queue_due(q, loop_now(&w->loop))) != NULL)
			return txn_waiting(e);
	return NULL;
}

static void
time_out(struct txn *t)
{
	if (parking_has(t))
		parking_time_out(t);
	else
		refuse(t, ERR_QUEUE_TIMEOUT);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct txn *t;

	CHECK_OBJ(w, WORKER_MAGIC);
	(void)fd;
	(void)what;
	while ((t = find_due(w)) != NULL)
		time_out(t);
	vacancy_wake_all(w);
	conn_flush(&w->loop);
	if (TAILQ_EMPTY(&w->vacancy.queues)) {
		event_del(w->waiting.ticker);
		w->waiting.ticking = false;
	}
}

bool
waiting_is_free(const struct txn *t)
{
	const struct worker *w = t->worker;
	const struct tally *tally = t->version->tally;

	if (t->tried_us != 0 || atomic_load(&tally->gate.queued) == 0)
		return true;
	return tally->slots[w->index].queue == NULL &&
	       !queue_yields(tally, w->index, loop_now(&t->worker->loop));
}

static void
queue_bury(struct dead *d)
{
	queue_free((struct queue *)((char *)d - offsetof(struct queue, dead)));
}

static void
watch(struct txn *t, bool waits)
{
	struct client *c = t->relay.client;

	if (c->ops->watch != NULL)
		c->ops->watch(c, waits);
}

bool
waiting_line_up(
    struct txn *t, struct tally *tally, uint32_t limit, uint64_t patience_us)
{
	struct worker *w = t->worker;
	const uint64_t now = loop_now(&w->loop);
	struct queue *q = queue_join(tally, w->index, &t->waiter,
	    t->tried_us != 0, limit, now, now + patience_us);

	if (q == NULL)
		return false;
	if (q->n == 1)
		TAILQ_INSERT_TAIL(&w->vacancy.queues, q, link);
	txn_go(t, TXN_QUEUE);
	t->relay.client->ops->pause(t->relay.client);
	watch(t, true);
	if (queue_first(q) == &t->waiter)
		vacancy_wake(w, q);
	tick_on(&w->waiting);
	return true;
}

static void
join(struct txn *t)
{
	const struct load_limits *most = &t->service->terms->limits;
	const uint64_t patience_us = (uint64_t)most->queue_timeout_ms * 1000u;

	if (t->waited_us >= patience_us)
		refuse(t, ERR_QUEUE_TIMEOUT);
	else if (!waiting_line_up(t, t->version->tally, most->queue,
		     patience_us - t->waited_us))
		refuse(t, ERR_QUEUE_FULL);
}

bool
waiting_enter_early(struct txn *t, const struct version *v)
{
	const struct load_limits *most = &t->service->terms->limits;
	const uint64_t patience_us = (uint64_t)most->queue_timeout_ms * 1000u;

	return load_limited(most) && t->waited_us < patience_us &&
	       waiting_line_up(
		   t, v->tally, most->queue, patience_us - t->waited_us);
}

/* A retry may come by a plan that has more, or less, room than there is. */
void
waiting_enter(struct txn *t)
{
	if (is_behind(t)) {
		catch_up(t);
		txn_connect(t);
	} else {
		join(t);
	}
}

/* With the last one goes what only its worker knew: who is next. */
void
waiting_leave(struct txn *t)
{
	struct queue *q = t->waiter.queue;
	struct worker *w = t->worker;
	struct tally *tally = q->tally;

	*(parking_has(t) ? &t->parked_us : &t->waited_us) +=
	    queue_leave(&t->waiter, loop_now(&w->loop));
	watch(t, false);
	if (q->n > 0)
		return;
	TAILQ_REMOVE(&w->vacancy.queues, q, link);
	loop_bury(&w->loop, &q->dead, queue_bury);
	if (atomic_load(&tally->gate.queued) > 0)
		vacancy_pass_on(w, tally);
}

static void
adopt(struct worker *w, const struct service *s)
{
	const struct load_limits *most = &s->terms->limits;

	for (size_t i = 0; i < s->nversions; i++) {
		const struct version *v = &s->versions[i];

		if (most->version_requests > 0)
			claim_adopt_version(v->tally, w->index);
		for (size_t k = 0; most->pod_requests > 0 && k < v->npods; k++)
			claim_adopt_pod(v->pods[k], w->index);
	}
}

void
waiting_take_plan(struct worker *w)
{
	const struct plan *plan = w->plan->plan;
	struct waiter *e;
	struct queue *q;

	for (size_t i = 0; i < plan->nservices; i++)
		adopt(w, plan->services[i]);
	TAILQ_FOREACH (q, &w->vacancy.queues, link)
		TAILQ_FOREACH (e, &q->waiters, link)
			if (!parking_has(txn_waiting(e)))
				catch_up(txn_waiting(e));
	vacancy_wake_all(w);
}

void
waiting_drain(struct worker *w)
{
	vacancy_wake_all(w);
}

int
waiting_init(struct worker *w, struct bells *bells)
{
	struct waiting *all = &w->waiting;

	all->ticker = event_new(w->loop.base, -1, EV_PERSIST, on_tick, w);
	return all->ticker == NULL ? -1 : vacancy_init(w, bells, let_go);
}

void
waiting_fini(struct worker *w)
{
	if (w->waiting.ticker != NULL)
		event_free(w->waiting.ticker);
	w->waiting.ticker = NULL;
	vacancy_fini(w);
}
