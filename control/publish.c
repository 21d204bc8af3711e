/*
 * Hands plans and settings to all workers and keeps each alive until the
 * last worker that needs it has said so.
 */
#include "control/publish.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/queue.h"
#include "conf/conf.h"
#include "proxy/mailbox.h"

#define PUBLISH_MAGIC 0x9b150001u

/* A conf, shared by the publications that carry its settings. */
struct edition {
	unsigned refs;
	struct conf *conf;
};

struct publication {
	TAILQ_ENTRY(publication) link;
	uint64_t serial;
	struct plan *plan;	 /* a reference per set `holds` */
	struct edition *edition; /* NULL once all took the successor */
	control_done *done;	 /* NULL: nobody waits, or was told */
	void *arg;
	unsigned taken;	  /* workers that have it */
	unsigned holders; /* workers that still use the plan */
	bool holds[];	  /* by worker */
};

TAILQ_HEAD(publications, publication);

struct publish {
	unsigned magic;
	unsigned nworkers;
	bool stopped;
	struct plan *current;
	struct edition *edition;
	uint64_t serial;	  /* of the newest publication */
	struct publications all;  /* oldest first */
	struct mailbox **workers; /* by worker */
	uint64_t *acked;	  /* by worker: serial it has answered last */
	publish_watcher *watch;
	void *watch_arg;
};

static struct edition *
edition_new(struct conf *conf)
{
	struct edition *e = calloc(1, sizeof(*e));

	if (e != NULL) {
		e->refs = 1;
		e->conf = conf;
	}
	return e;
}

static void
edition_drop(struct edition *e)
{
	if (e == NULL || --e->refs > 0)
		return;
	conf_free(e->conf);
	free(e);
}

/* Puts it at the end of the list, held by every worker. */
static struct publication *
publication_new(struct publish *p, struct plan *plan, struct edition *edition)
{
	struct publication *pub;

	pub = calloc(1, sizeof(*pub) + p->nworkers * sizeof(pub->holds[0]));
	if (pub == NULL)
		return NULL;
	pub->serial = ++p->serial;
	pub->plan = plan;
	pub->edition = edition;
	edition->refs++;
	pub->holders = p->nworkers;
	for (unsigned i = 0; i < p->nworkers; i++) {
		pub->holds[i] = true;
		plan_hold(plan);
	}
	TAILQ_INSERT_TAIL(&p->all, pub, link);
	return pub;
}

/* Forgets a publication that nobody needs any more. */
static void
publication_settle(struct publish *p, struct publication *pub)
{
	if (pub->holders > 0 || pub->edition != NULL)
		return;
	TAILQ_REMOVE(&p->all, pub, link);
	free(pub);
}

static void
publication_tell(struct publication *pub, const char *error)
{
	control_done *done = pub->done;

	pub->done = NULL;
	if (done != NULL)
		done(pub->arg, error);
}

struct publish *
publish_new(unsigned nworkers, struct plan *plan, struct conf *conf)
{
	struct publish *p = calloc(1, sizeof(*p));
	struct publication *first;

	CHECK(nworkers > 0);
	if (p == NULL)
		return NULL;
	p->magic = PUBLISH_MAGIC;
	p->nworkers = nworkers;
	TAILQ_INIT(&p->all);
	p->workers = calloc(nworkers, sizeof(struct mailbox *));
	p->acked = calloc(nworkers, sizeof(*p->acked));
	p->edition = edition_new(conf);
	if (p->workers == NULL || p->acked == NULL || p->edition == NULL)
		goto fail;
	first = publication_new(p, plan, p->edition);
	if (first == NULL)
		goto fail;
	first->taken = nworkers;
	for (unsigned i = 0; i < nworkers; i++)
		p->acked[i] = first->serial;
	p->current = plan;
	return p;

fail:
	free(p->edition);
	free(p->acked);
	free(p->workers);
	free(p);
	return NULL;
}

void
publish_worker(struct publish *p, unsigned worker, struct mailbox *to)
{
	CHECK_OBJ(p, PUBLISH_MAGIC);
	CHECK(worker < p->nworkers);
	p->workers[worker] = to;
}

void
publish_watch(struct publish *p, publish_watcher *watch, void *arg)
{
	CHECK_OBJ(p, PUBLISH_MAGIC);
	p->watch = watch;
	p->watch_arg = arg;
}

bool
publish_taken_by_all(const struct publish *p)
{
	CHECK_OBJ(p, PUBLISH_MAGIC);
	for (unsigned i = 0; i < p->nworkers; i++)
		if (p->acked[i] != p->serial)
			return false;
	return true;
}

struct plan *
publish_current(const struct publish *p)
{
	CHECK_OBJ(p, PUBLISH_MAGIC);
	return p->current;
}

const struct conf *
publish_conf(const struct publish *p)
{
	CHECK_OBJ(p, PUBLISH_MAGIC);
	return p->edition->conf;
}

/* Plan and conf go nowhere. */
static int
publish_refuse(struct plan *plan, struct conf *conf, control_done *done,
    void *arg, const char *error)
{
	plan_drop(plan);
	conf_free(conf);
	if (done != NULL)
		done(arg, error);
	return -1;
}

int
publish_plan(struct publish *p, struct plan *plan, struct conf *conf,
    control_done *done, void *arg)
{
	struct edition *edition;
	struct publication *pub;
	struct plan *old;

	CHECK_OBJ(p, PUBLISH_MAGIC);
	if (p->stopped)
		return publish_refuse(plan, conf, done, arg, "shutting down");
	edition = conf != NULL ? edition_new(conf) : p->edition;
	if (edition == NULL)
		return publish_refuse(plan, conf, done, arg, "out of memory");
	pub = publication_new(p, plan, edition);
	if (pub == NULL) {
		if (conf != NULL)
			free(edition);
		return publish_refuse(plan, conf, done, arg, "out of memory");
	}
	pub->done = done;
	pub->arg = arg;

	old = p->current;
	plan_retire(old, plan);
	p->current = plan;
	if (conf != NULL) {
		edition_drop(p->edition);
		p->edition = edition;
	}
	for (unsigned i = 0; i < p->nworkers; i++)
		mailbox_send(
		    p->workers[i], &(struct message){.kind = MSG_PLAN,
				       .plan = plan,
				       .settings = &edition->conf->settings});
	log_debug("plan %llu: sent to %u workers",
	    (unsigned long long)plan->generation, p->nworkers);
	if (p->watch != NULL)
		p->watch(p->watch_arg, old, plan);
	plan_drop(old);
	return 0;
}

/* Everybody has it, so nobody looks at its predecessor's settings now. */
static void
publication_complete(struct publish *p, struct publication *pub)
{
	struct publication *before = TAILQ_PREV(pub, publications, link);

	if (before != NULL && before->edition != NULL) {
		edition_drop(before->edition);
		before->edition = NULL;
		publication_settle(p, before);
	}
	log_debug("plan %llu: every worker has it",
	    (unsigned long long)pub->plan->generation);
	publication_tell(pub, NULL);
}

void
publish_taken(struct publish *p, unsigned worker)
{
	struct publication *pub;
	uint64_t serial;

	CHECK_OBJ(p, PUBLISH_MAGIC);
	CHECK(worker < p->nworkers);
	serial = ++p->acked[worker];
	TAILQ_FOREACH_REVERSE(pub, &p->all, publications, link)
	if (pub->serial == serial)
		break;
	CHECK(pub != NULL && pub->taken < p->nworkers);
	if (++pub->taken == p->nworkers)
		publication_complete(p, pub);
}

void
publish_left(struct publish *p, unsigned worker, const struct plan *plan)
{
	struct publication *pub;

	CHECK_OBJ(p, PUBLISH_MAGIC);
	CHECK(worker < p->nworkers);
	TAILQ_FOREACH (pub, &p->all, link)
		if (pub->plan == plan && pub->holds[worker])
			break;
	CHECK(pub != NULL);
	pub->holds[worker] = false;
	pub->holders--;
	plan_drop(pub->plan);
	publication_settle(p, pub);
}

void
publish_stop(struct publish *p)
{
	struct publication *pub;

	CHECK_OBJ(p, PUBLISH_MAGIC);
	p->stopped = true;
	while ((pub = TAILQ_FIRST(&p->all)) != NULL) {
		publication_tell(pub, "shutting down");
		for (; pub->holders > 0; pub->holders--)
			plan_drop(pub->plan);
		edition_drop(pub->edition);
		pub->edition = NULL;
		publication_settle(p, pub);
	}
}

void
publish_free(struct publish *p)
{
	if (p == NULL)
		return;
	publish_stop(p);
	plan_drop(p->current);
	edition_drop(p->edition);
	free(p->acked);
	free(p->workers);
	p->magic = 0;
	free(p);
}
