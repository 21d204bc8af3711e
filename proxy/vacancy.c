/* Waking who waits for a place, here and at other workers. */
#include "proxy/vacancy.h"

#include <stddef.h>

#include <event2/event.h>

#include "base/check.h"
#include "proxy/bells.h"
#include "proxy/conn.h"
#include "proxy/queue.h"
#include "proxy/worker_state.h"
#include "router/claim.h"
#include "router/pod.h"
#include "router/tally.h"

static struct queue *
find_woken(const struct vacancy *all)
{
	struct queue *q;

	TAILQ_FOREACH (q, &all->queues, link)
		if (q->woken)
			break;
	return q;
}

/* What is woken meanwhile has its turn in the next one. */
static void
on_kick(struct kick *k)
{
	struct vacancy *all =
	    (struct vacancy *)((char *)k - offsetof(struct vacancy, kick));
	struct worker *w =
	    (struct worker *)((char *)all - offsetof(struct worker, vacancy));
	struct queue *q;
	unsigned n = 0;

	CHECK_OBJ(w, WORKER_MAGIC);
	all->kicked = false;
	TAILQ_FOREACH (q, &all->queues, link)
		n += q->woken;
	while (n-- > 0 && (q = find_woken(all)) != NULL) {
		q->woken = false;
		TAILQ_REMOVE(&all->queues, q, link);
		TAILQ_INSERT_TAIL(&all->queues, q, link);
		all->turn(w, q);
	}
	conn_flush(&w->loop);
}

void
vacancy_wake(struct worker *w, struct queue *q)
{
	q->woken = true;
	if (w->vacancy.kicked)
		return;
	w->vacancy.kicked = true;
	loop_kick(&w->loop, &w->vacancy.kick, on_kick);
}

void
vacancy_wake_all(struct worker *w)
{
	struct queue *q;

	TAILQ_FOREACH (q, &w->vacancy.queues, link)
		vacancy_wake(w, q);
}

void
vacancy_pass_on(struct worker *w, const struct tally *t)
{
	const int next = queue_next(t, w->index);

	if (next >= 0 && (unsigned)next != w->index)
		bells_ring(w->vacancy.bells, (unsigned)next);
}

void
vacancy_at_pod(struct worker *w, struct tally *t, struct pod *p)
{
	struct queue *q = t->slots[w->index].queue;

	claim_settle(t, p, w->index);
	if (q != NULL && !q->shown)
		vacancy_wake(w, q);
	if (atomic_load(&t->gate.queued) == 0)
		return;
	atomic_store_explicit(&t->gate.freed,
	    atomic_load_explicit(&p->place, memory_order_relaxed),
	    memory_order_relaxed);
	if (queue_next(t, w->index) == (int)w->index)
		vacancy_wake(w, q);
	else
		vacancy_pass_on(w, t);
}

void
vacancy_to_connect(struct worker *w)
{
	vacancy_wake_all(w);
}

static void
on_rung(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	CHECK_OBJ(w, WORKER_MAGIC);
	(void)fd;
	(void)what;
	bells_answer(w->vacancy.bells, w->index);
	vacancy_wake_all(w);
}

int
vacancy_init(struct worker *w, struct bells *bells, vacancy_turn *turn)
{
	struct vacancy *all = &w->vacancy;

	all->bells = bells;
	all->turn = turn;
	all->rung = event_new(w->loop.base, bells_fd(bells, w->index),
	    EV_READ | EV_PERSIST, on_rung, w);
	return all->rung == NULL ? -1 : event_add(all->rung, NULL);
}

void
vacancy_fini(struct worker *w)
{
	if (w->vacancy.rung != NULL)
		event_free(w->vacancy.rung);
	w->vacancy.rung = NULL;
}
