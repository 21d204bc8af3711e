/* Mirrored requests: their begin, their body, their end. */
#include "proxy/txn_mirror.h"

#include <string.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/client.h"
#include "proxy/conn.h"
#include "proxy/plan_use.h"
#include "proxy/shadow.h"
#include "proxy/txn_state.h"
#include "proxy/worker_state.h"
#include "router/mirror.h"

/* A client that discards. */

static void
discard_head(struct client *c, const struct h1_head *h)
{
	(void)c, (void)h;
}

static void
discard_data(struct client *c, struct span piece)
{
	(void)c, (void)piece;
}

static void
discard_end(struct client *c, const struct h1_head *trailers)
{
	(void)c, (void)trailers;
}

static struct conn *
nowhere(struct client *c)
{
	(void)c;
	return NULL;
}

static void
sends_no_more(struct client *c)
{
	(void)c;
}

static void
discard_reset(struct client *c, enum err reason)
{
	(void)c, (void)reason;
}

static const struct client_ops discarding = {
    .send_head = discard_head,
    .send_data = discard_data,
    .send_end = discard_end,
    .raw = nowhere,
    .pause = sends_no_more,
    .resume = sends_no_more,
    .reset = discard_reset,
};

/* Nothing of it ever changes, so all copies of all workers have the same. */
static struct client nobody = {.magic = CLIENT_MAGIC, .ops = &discarding};

/* As it was when the copy was made: one that waits may have moved on. */
static const struct service *
service_of(const struct txn *t)
{
	return t->later == NULL ? t->service
				: plan_service(t->plan->plan, t->service->name);
}

static struct mirror_slot *
slot_of(const struct txn *t)
{
	return mirror_slot(t->service->mirror, t->worker->index);
}

static void
skip(const struct txn *t, enum mirror_skip why)
{
	mirror_skip(t->service->mirror, t->worker->index, why);
}

/* A reload may have taken its version away since it was made. */
static bool
is_wanted(const struct txn *copy)
{
	const struct plan_use *now = copy->worker->plan;
	const struct service *s = plan_service(now->plan, copy->service->name);

	return copy->plan == now ||
	       (s != NULL && s->mirror != NULL &&
		   strcmp(s->mirror->to.name, copy->version->name) == 0);
}

/* The copy begins, or is cut: in no callback of anybody's. */
static void
on_kick(struct kick *k)
{
	struct shadow *s =
	    (struct shadow *)((char *)k - offsetof(struct shadow, kick));
	struct txn *copy = s->copy;
	struct loop *l = &copy->worker->loop;

	CHECK_OBJ(s, SHADOW_MAGIC);
	CHECK_OBJ(copy, TXN_MAGIC);
	s->kicked = false;
	if (copy->state == TXN_ROUTE) {
		copy->started_us = loop_now(l);
		copy->request_done = true;
		txn_go(copy, TXN_CHOOSE);
		if (is_wanted(copy))
			txn_connect(copy);
		else
			txn_reply(copy, ERR_POD_REMOVED);
	} else {
		txn_request_failed(copy, ERR_RESPONSE_TIMEOUT);
	}
	conn_flush(l);
}

static void
kick(struct shadow *s)
{
	if (s->kicked)
		return;
	s->kicked = true;
	loop_kick(&s->copy->worker->loop, &s->kick, on_kick);
}

static bool
copy_begin(struct txn *t)
{
	struct shadow *s = shadow_new();

	if (s == NULL)
		return false;
	s->holders = 1;
	s->copy = txn_copy(t, &t->service->mirror->to, &nobody);
	if (s->copy == NULL) {
		shadow_drop(s);
		return false;
	}
	s->holders++;
	s->gathers = true;
	t->shadow = s->copy->shadow = s;
	slot_of(t)->inflight++;
	TAILQ_INSERT_TAIL(&t->worker->shadows, s, link);
	return true;
}

void
txn_mirror_begin(struct txn *t, const struct h1_head *h)
{
	const struct service *s = t->service;
	const struct mirror_spec *spec = &s->terms->mirror;

	if (s->mirror == NULL || t->version->index == spec->version ||
	    t->request.upgrade || t->worker->draining || !mirror_draw(s))
		return;
	if (h->body == H1_BODY_LENGTH && h->length > spec->body_bytes)
		skip(t, MIRROR_SKIP_BODY);
	else if (slot_of(t)->inflight >= spec->limit || !copy_begin(t))
		skip(t, MIRROR_SKIP_LIMIT);
	else if (t->request_done)
		txn_mirror_complete(t, NULL);
}

bool
txn_mirror_gathers(const struct txn *t)
{
	return t->shadow != NULL && t->shadow->gathers;
}

/* It is not mirrored after all. */
static void
give_up(struct shadow *s, enum mirror_skip why)
{
	skip(s->copy, why);
	txn_end(s->copy);
}

void
txn_mirror_data(struct txn *t, struct span piece)
{
	struct shadow *s = t->shadow;
	struct fifo *kept;

	if (!txn_mirror_gathers(t))
		return;
	kept = &s->copy->retry.kept;
	if (piece.n >
	    service_of(t)->terms->mirror.body_bytes - fifo_span(kept).n)
		give_up(s, MIRROR_SKIP_BODY);
	else if (!fifo_append(kept, piece))
		give_up(s, MIRROR_SKIP_LIMIT);
}

void
txn_mirror_complete(struct txn *t, const struct h1_head *trailers)
{
	struct shadow *s = t->shadow;

	if (!txn_mirror_gathers(t))
		return;
	if (trailers != NULL) {
		give_up(s, MIRROR_SKIP_BODY);
		return;
	}
	s->gathers = false;
	kick(s);
}

static enum shadow_side
side(const struct txn *t)
{
	return t->mirrored ? SHADOW_COPY : SHADOW_REAL;
}

/* Nobody would ever end an answer that does not end by itself. */
static bool
overdue(const struct txn *copy)
{
	const struct worker *w = copy->worker;
	uint64_t left_us = copy->shadow->left_us;

	return left_us > 0 &&
	       loop_now(&copy->worker->loop) - left_us >
		   (uint64_t)w->settings->timeouts.response * 1000u;
}

void
txn_mirror_saw(struct txn *t, struct span piece)
{
	struct shadow *s = t->shadow;

	if (s == NULL)
		return;
	if (!s->pointless)
		shadow_saw(&s->answers[side(t)], piece);
	if (t->mirrored && overdue(t))
		kick(s);
}

void
txn_mirror_answered(struct txn *t)
{
	const struct mirror *m;
	unsigned worker = t->worker->index;
	struct shadow_answer *a;

	if (t->shadow == NULL)
		return;
	m = service_of(t)->mirror;
	a = &t->shadow->answers[side(t)];
	a->whole = true;
	a->status = t->status;
	a->bytes = t->relay.response_bytes;
	switch (shadow_compare(t->shadow)) {
	case SHADOW_OTHER_STATUS:
		mirror_differ(m, worker, MIRROR_DIFFERS_STATUS);
		break;
	case SHADOW_OTHER_BODY:
		mirror_differ(m, worker, MIRROR_DIFFERS_BODY);
		break;
	case SHADOW_OPEN:
	case SHADOW_SAME:
		break;
	}
}

/* What is not the pods' doing is in no tally: it was not mirrored. */
void
txn_mirror_failed(const struct txn *copy, enum err e)
{
	if (err_reason(e) == REASON_NONE)
		skip(copy, MIRROR_SKIP_LIMIT);
}

static void
copy_left(struct txn *copy, struct shadow *s)
{
	struct worker *w = copy->worker;

	s->copy = NULL;
	s->gathers = false;
	if (s->kicked)
		loop_unkick(&w->loop, &s->kick);
	TAILQ_REMOVE(&w->shadows, s, link);
	slot_of(copy)->inflight--;
}

void
txn_mirror_leave(struct txn *t)
{
	struct shadow *s = t->shadow;

	t->shadow = NULL;
	if (!s->answers[side(t)].whole)
		s->pointless = true;
	if (t->mirrored)
		copy_left(t, s);
	else
		s->left_us = loop_now(&t->worker->loop);
	if (s->gathers)
		give_up(s, MIRROR_SKIP_INCOMPLETE);
	shadow_drop(s);
}

bool
txn_mirror_yield(struct worker *w)
{
	struct shadow *s;

	TAILQ_FOREACH (s, &w->shadows, link)
		if (s->copy->relay.upstream != NULL &&
		    s->copy->version->protocol == POD_HTTP1) {
			give_up(s, MIRROR_SKIP_LIMIT);
			return true;
		}
	return false;
}

void
txn_mirror_drop_all(struct worker *w)
{
	struct shadow *s;

	while ((s = TAILQ_FIRST(&w->shadows)) != NULL)
		txn_end(s->copy);
}
