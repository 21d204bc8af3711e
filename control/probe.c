/* When each pod is checked, and what a check does to what is known of it. */
#include "control/probe.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/pod_check.h"
#include "control/roster.h"
#include "proxy/tls_client.h"
#include "router/plan.h"
#include "router/pod.h"
#include "router/pod_tls.h"

#define PROBES_MAGIC 0x9b0b0001u
#define PROBE_MAGIC  0x9b0b0002u
/* How often to complain that checks cannot be made. */
#define COMPLAIN_US (10 * 1000000ull)

/* What the probes of a service share: its terms as of the last update. */
struct checked {
	char *service;
	struct terms *terms; /* held */
};

struct probe {
	unsigned magic;
	struct probes *all;
	struct checked *checked;
	struct pod *pod; /* held */
	enum pod_protocol protocol;
	struct pod_tls *tls; /* held; NULL = in clear text */
	bool wanted;	     /* in the plan of the update under way */
	bool maint;	     /* not checked */
	char *version;	     /* its name */
	struct event timer;
	struct pod_check *check; /* the one under way */
	uint64_t begun_us;
};

struct probes {
	unsigned magic;
	bool stopped;
	struct event_base *base;
	struct roster *roster;
	uint64_t chance; /* xorshift state, never 0 */
	uint64_t places; /* of first checks, handed out so far */
	uint64_t complained_us;
	struct checked *checked;
	size_t nchecked;
	struct probe **list; /* by address of the pod */
	size_t n;
	struct tls_clients tls_clients; /* made again after each update */
};

static uint64_t
probes_roll(struct probes *p)
{
	p->chance ^= p->chance << 13;
	p->chance ^= p->chance >> 7;
	p->chance ^= p->chance << 17;
	return p->chance;
}

static void
timer_add(struct event *timer, uint64_t us)
{
	struct timeval tv = {
	    (time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	/* Only fails without memory for the timer heap. */
	if (evtimer_add(timer, &tv) < 0)
		log_error("health checks: timer: out of memory");
}

static const struct health_rules *
rules_of(const struct probe *pr)
{
	return &pr->checked->terms->health;
}

/* Writes down what the check says; the roster moves the pod. */
static void
probe_observe(struct probe *pr, bool good, const char *reason)
{
	const struct health_rules *rules = rules_of(pr);
	struct pod *pod = pr->pod;
	char words[sizeof pod->reason];

	pod->checked = health_observe(
	    rules, &pod->health, pod->checked, good, clock_now_us());
	if (good && pod->checked == POD_STARTING) {
		snprintf(words, sizeof words, "%u of %u good checks",
		    pod->health.good, rules->rise);
		reason = words;
	} else if (good || pod->state == POD_EJECTED ||
		   pod->order != POD_ORDER_NONE) {
		reason = NULL; /* the one it has goes on */
	}
	roster_settle(
	    pr->all->roster, pr->checked->service, pr->version, pod, reason);
}

static uint64_t
probe_interval_us(const struct probe *pr, const struct terms *terms)
{
	const struct pod *pod = pr->pod;

	return (uint64_t)1000 *
	       health_interval(&terms->health, &pod->health, pod->checked);
}

/*
 * At the interval that holds for the pod from the start of the last check,
 * +-10 %, so that checks that once came together do not do so for long.
 */
static void
probe_schedule(struct probe *pr)
{
	const uint64_t interval = probe_interval_us(pr, pr->checked->terms);
	uint64_t due, now = clock_now_us();

	due = pr->begun_us + interval - interval / 10 +
	      probes_roll(pr->all) % (interval / 5);
	timer_add(&pr->timer, due > now ? due - now : 0);
}

/* The first check comes soon, unless there are many. */
static void
probe_first(struct probe *pr, size_t joined)
{
	timer_add(&pr->timer,
	    health_first_us(rules_of(pr), pr->all->places++, joined));
}

static void
probe_on_result(void *arg, enum check_result result, const char *reason)
{
	struct probe *pr = arg;
	struct probes *p;
	uint64_t now = clock_now_us();

	CHECK_OBJ(pr, PROBE_MAGIC);
	p = pr->all;
	pr->check = NULL;
	if (result != CHECK_UNMADE) {
		probe_observe(pr, result == CHECK_GOOD, reason);
	} else if (p->complained_us == 0 ||
		   now - p->complained_us >= COMPLAIN_US) {
		log_warn("pod %s/%s/%s: check could not be made: %s",
		    pr->checked->service, pr->version, pr->pod->address.text,
		    reason);
		p->complained_us = now;
	}
	probe_schedule(pr);
}

static void
probe_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct probe *pr = arg;
	struct address address;

	(void)fd;
	(void)what;
	CHECK_OBJ(pr, PROBE_MAGIC);
	CHECK(pr->check == NULL);
	pr->begun_us = clock_now_us();
	address = pr->pod->address;
	if (rules_of(pr)->port != 0 && !address_is_unix(&address))
		address_set_port(&address, (uint16_t)rules_of(pr)->port);
	pr->check = pod_check_new(pr->all->base,
	    &(struct check_wish){.address = &address,
		.protocol = pr->protocol,
		.tls = pr->tls,
		.tls_clients = &pr->all->tls_clients,
		.terms = pr->checked->terms},
	    probe_on_result, pr);
	if (pr->check == NULL)
		probe_on_result(pr, CHECK_UNMADE, "out of memory");
}

static void
probe_free(struct probe *pr)
{
	if (pr == NULL)
		return;
	event_del(&pr->timer);
	pod_check_cancel(pr->check);
	pod_tls_drop(pr->tls);
	pod_drop(pr->pod);
	free(pr->version);
	pr->magic = 0;
	free(pr);
}

static struct probe *
probe_new(struct probes *p, struct pod *pod, const char *version)
{
	struct probe *pr = calloc(1, sizeof(*pr));

	if (pr == NULL)
		return NULL;
	pr->version = strdup(version);
	if (pr->version == NULL) {
		free(pr);
		return NULL;
	}
	pr->magic = PROBE_MAGIC;
	pr->all = p;
	pr->pod = pod_hold(pod);
	evtimer_assign(&pr->timer, p->base, probe_on_timer, pr);
	return pr;
}

static struct probe *probes_find(const struct probes *p, struct pod *pod);

/* What is in maint is not checked; what comes back from it is so at once. */
static void
probes_on_maint(void *arg, struct pod *pod)
{
	struct probes *p = arg;
	struct probe *pr;

	CHECK_OBJ(p, PROBES_MAGIC);
	pr = probes_find(p, pod);
	if (pr == NULL || pr->maint == pod_rests(pod))
		return;
	pr->maint = pod_rests(pod);
	pod_check_cancel(pr->check);
	pr->check = NULL;
	event_del(&pr->timer);
	if (pr->maint)
		return;
	timer_add(&pr->timer, 0);
}

struct probes *
probes_new(struct event_base *base, struct roster *roster)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->magic = PROBES_MAGIC;
	p->base = base;
	p->roster = roster;
	roster_on_maint(roster, probes_on_maint, p);
	if (getrandom(&p->chance, sizeof(p->chance), GRND_NONBLOCK) !=
		sizeof(p->chance) ||
	    p->chance == 0)
		p->chance = clock_now_us() | 1;
	TAILQ_INIT(&p->tls_clients.clients);
	return p;
}

static void
checked_free(struct checked *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].service);
		terms_drop(list[i].terms);
	}
	free(list);
}

void
probes_free(struct probes *p)
{
	if (p == NULL)
		return;
	probes_stop(p);
	roster_on_maint(p->roster, NULL, NULL);
	checked_free(p->checked, p->nchecked);
	p->magic = 0;
	free(p);
}

void
probes_stop(struct probes *p)
{
	CHECK_OBJ(p, PROBES_MAGIC);
	p->stopped = true;
	for (size_t i = 0; i < p->n; i++)
		probe_free(p->list[i]);
	free(p->list);
	p->list = NULL;
	p->n = 0;
	tls_clients_free(&p->tls_clients);
}

/* What checks need of each service. */
static struct checked *
checked_copy(const struct plan *plan)
{
	struct checked *list = calloc(plan->nservices + 1, sizeof(*list));

	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];

		list[i].terms = terms_hold(s->terms);
		list[i].service = strdup(s->name);
		if (list[i].service == NULL) {
			checked_free(list, i + 1);
			return NULL;
		}
	}
	return list;
}

static int
probe_compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)(*(struct probe *const *)a)->pod;
	uintptr_t y = (uintptr_t)(*(struct probe *const *)b)->pod;

	return x < y ? -1 : x > y;
}

static struct probe *
probes_find(const struct probes *p, struct pod *pod)
{
	struct probe key = {.pod = pod}, *want = &key, **found;

	if (p->n == 0)
		return NULL;
	found = bsearch(
	    &want, p->list, p->n, sizeof(struct probe *), probe_compare);
	return found != NULL ? *found : NULL;
}

/* The probes of an update while it is being put together. */
struct update {
	struct probe **list;
	size_t n, njoined;
};

static size_t
plan_pods(const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->nservices; i++)
		for (size_t v = 0; v < plan->services[i]->nversions; v++)
			n += plan->services[i]->versions[v].npods;
	return n;
}

static int
update_version(struct update *u, struct probes *p, const struct version *v)
{
	for (size_t i = 0; i < v->npods; i++) {
		struct probe *pr = probes_find(p, v->pods[i]);

		if (pr != NULL && pr->wanted)
			continue;
		if (pr == NULL) {
			pr = probe_new(p, v->pods[i], v->name);
			u->njoined++;
		}
		if (pr == NULL)
			return -1;
		pr->wanted = true;
		u->list[u->n++] = pr;
	}
	return 0;
}

/* Puts the probes of the plan together; -1 leaves the old ones untouched. */
static int
update_collect(struct update *u, struct probes *p, const struct plan *plan)
{
	u->n = u->njoined = 0;
	u->list = calloc(plan_pods(plan) + 1, sizeof(struct probe *));
	if (u->list == NULL)
		return -1;
	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];

		for (size_t v = 0; s->terms->health.enabled && v < s->nversions;
		     v++)
			if (update_version(u, p, &s->versions[v]) < 0)
				goto fail;
	}
	return 0;

fail:
	for (size_t i = 0; i < u->n; i++) {
		struct probe *pr = u->list[i];

		pr->wanted = false;
		if (probes_find(p, pr->pod) == NULL)
			probe_free(pr);
	}
	free(u->list);
	return -1;
}

/*
 * The rules have changed: in the old rhythm if that is still possible, else
 * anywhere in the new one, as others may have to find a place, too.
 */
static void
probe_reschedule(struct probe *pr)
{
	const uint64_t interval = probe_interval_us(pr, pr->checked->terms);

	if (pr->begun_us + interval > clock_now_us())
		probe_schedule(pr);
	else
		timer_add(&pr->timer, probes_roll(pr->all) % interval);
}

/* How the pod is checked from now on; so many others join with it. */
static void
probe_adopt(struct probe *pr, struct checked *ch, const struct version *v,
    size_t joined)
{
	const struct terms *was =
	    pr->checked != NULL ? pr->checked->terms : NULL;

	pr->checked = ch;
	pr->protocol = v->protocol;
	pod_tls_drop(pr->tls);
	pr->tls = pod_tls_hold(v->tls);
	pr->wanted = false;
	if (was == NULL) {
		pr->maint = pod_rests(pr->pod);
		if (!pr->maint)
			probe_first(pr, joined);
	} else if (pr->begun_us != 0 && pr->check == NULL && !pr->maint &&
		   probe_interval_us(pr, was) !=
		       probe_interval_us(pr, ch->terms)) {
		probe_reschedule(pr);
	}
}

/* Ties the pods of a service to its new rules. */
static void
probes_adopt(struct probes *p, const struct service *s, struct checked *ch,
    size_t joined)
{
	for (size_t i = 0; i < s->nversions; i++) {
		const struct version *v = &s->versions[i];
		size_t up = 0;

		for (size_t k = 0; k < v->npods; k++) {
			if (ch->terms->health.enabled)
				probe_adopt(
				    probes_find(p, v->pods[k]), ch, v, joined);
			up += v->pods[k]->state == POD_UP;
		}
		if (up != v->nup)
			roster_dirty(p->roster, s->name);
	}
}

int
probes_update(struct probes *p, const struct plan *plan)
{
	struct checked *checked, *old_checked = p->checked;
	size_t nold = p->nchecked, joined;
	struct update u;

	CHECK_OBJ(p, PROBES_MAGIC);
	if (p->stopped)
		return 0;
	checked = checked_copy(plan);
	if (checked == NULL)
		return -1;
	if (update_collect(&u, p, plan) < 0) {
		checked_free(checked, plan->nservices);
		return -1;
	}
	for (size_t i = 0; i < p->n; i++)
		if (!p->list[i]->wanted)
			probe_free(p->list[i]);
	free(p->list);
	p->list = u.list;
	p->n = u.n;
	joined = u.njoined;
	qsort(p->list, p->n, sizeof(struct probe *), probe_compare);

	p->checked = checked;
	p->nchecked = plan->nservices;
	for (size_t i = 0; i < plan->nservices; i++)
		probes_adopt(p, plan->services[i], &checked[i], joined);
	checked_free(old_checked, nold);
	tls_clients_free(&p->tls_clients);
	return 0;
}
