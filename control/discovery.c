/* Names of the config, a timer for each, and their answers. */
#include "control/discovery.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "control/events.h"
#include "control/pods.h"
#include "control/resolver.h"

#define DISCOVERY_MAGIC 0xd15c0001u
#define ENTRY_MAGIC	0xd15c0002u
#define ASK_MAGIC	0xd15c0003u
/* From the first question about one name to that about the next. */
#define PACE_US 1000u

/* A name of a version. */
struct entry {
	unsigned magic;
	struct discovery *discovery;
	char *service, *version;
	struct name *name;
	struct event timer;
	unsigned pending; /* questions under way */
	bool asking;	  /* a round is */
	bool stepping;	  /* see entry_step() */
	bool cut;	  /* and that was said */
	uint64_t since_us;
};

/* A question on its way. */
struct ask {
	unsigned magic;
	struct entry *entry;
	size_t number;
};

struct discovery {
	unsigned magic;
	bool stopped;
	struct event_base *base;
	struct pods *pods;
	struct events *events;
	struct resolver *resolver; /* NULL: no names, or no memory */
	struct entry **entries;
	size_t n;
	uint64_t counts[DNS_OUTCOME_COUNT];
};

/* Rounds. */

static void
entry_set_timer(struct entry *e, uint64_t us)
{
	struct timeval tv = {
	    (time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	if (evtimer_add(&e->timer, &tv) < 0)
		log_error("name %s of %s/%s: no memory for a timer",
		    name_text(e->name), e->service, e->version);
}

/* The sets of pods follow what the name resolves to. */
static void
entry_apply(struct entry *e)
{
	const struct address *list;
	const uint16_t *weights;
	size_t n = name_addresses(e->name, &list, &weights);

	/* what is awaited from before a restart still is */
	if (list == NULL)
		return;
	pods_resolved(e->discovery->pods, e->service, e->version,
	    name_text(e->name), list, weights, n);
}

static void
entry_tell(struct entry *e, enum name_state was)
{
	const enum name_state now = name_state(e->name);
	const struct address *list;
	const uint16_t *weights;
	size_t n = name_addresses(e->name, &list, &weights);
	char reason[DNS_NAME_MAX + 256];

	if (now == NAME_GOOD)
		snprintf(reason, sizeof reason, "%zu address%s", n,
		    n == 1 ? "" : "es");
	else if (n > 0)
		snprintf(reason, sizeof reason,
		    "%s; the last answer is kept, %zu address%s",
		    name_problem(e->name), n, n == 1 ? "" : "es");
	else
		snprintf(reason, sizeof reason, "%s; it gives no pods",
		    name_problem(e->name));
	events_name(e->discovery->events, e->service, e->version,
	    name_text(e->name), name_state_name(was), name_state_name(now),
	    reason, now == NAME_GOOD);
}

static void
entry_tell_cut(struct entry *e)
{
	const bool cut = name_cut(e->name);

	if (cut && !e->cut)
		log_warn("name %s of %s/%s resolves to more than %u addresses, "
			 "which is as many as are taken",
		    name_text(e->name), e->service, e->version,
		    NAME_ADDRESSES_MAX);
	e->cut = cut;
}

static void
entry_end(struct entry *e)
{
	const enum name_state was = name_state(e->name);
	const uint64_t now = clock_now_us();
	uint32_t roll;

	evutil_secure_rng_get_bytes(&roll, sizeof roll);
	e->asking = false;
	if (name_end(e->name, now, roll))
		entry_tell(e, was);
	entry_tell_cut(e);
	entry_apply(e);
	entry_set_timer(e, name_due_us(e->name) - now);
}

static resolver_done entry_on_answer;

static void
entry_ask(struct entry *e, const struct name_question *q)
{
	struct dns_answer none = {.type = q->type};
	struct ask *a = calloc(1, sizeof *a);

	if (a == NULL) {
		name_answer(e->name, q->number, DNS_UNREACHABLE, &none);
		return;
	}
	a->magic = ASK_MAGIC;
	a->entry = e;
	a->number = q->number;
	e->pending++;
	resolver_ask(e->discovery->resolver, q->host, q->type, q->search,
	    entry_on_answer, a);
}

/* Asks what there is to be asked, or ends the round. */
static void
entry_step(struct entry *e)
{
	struct name_question q;

	/* an answer may come while we ask */
	if (e->stepping)
		return;
	e->stepping = true;
	while (name_next(e->name, &q))
		entry_ask(e, &q);
	e->stepping = false;
	if (e->pending == 0)
		entry_end(e);
}

static void
entry_on_answer(void *arg, enum dns_outcome outcome, struct dns_answer *answer)
{
	struct ask *a = arg;
	struct entry *e;
	size_t number;

	CHECK_OBJ(a, ASK_MAGIC);
	e = a->entry;
	number = a->number;
	a->magic = 0;
	free(a);
	CHECK_OBJ(e, ENTRY_MAGIC);
	e->pending--;
	if (outcome != DNS_CANCELLED) {
		e->discovery->counts[outcome]++;
		name_answer(e->name, number, outcome, answer);
	}
	dns_answer_clear(answer);
	if (outcome != DNS_CANCELLED)
		entry_step(e);
}

static void
entry_on_time(evutil_socket_t fd, short what, void *arg)
{
	struct entry *e = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(e, ENTRY_MAGIC);
	CHECK(e->pending == 0 && !e->asking);
	e->asking = true;
	if (name_begin(e->name) < 0)
		log_error("name %s of %s/%s: out of memory", name_text(e->name),
		    e->service, e->version);
	entry_step(e);
}

/* The names of the config. */

static void
entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	CHECK(e->pending == 0);
	if (event_initialized(&e->timer))
		event_del(&e->timer);
	name_free(e->name);
	free(e->service);
	free(e->version);
	e->magic = 0;
	free(e);
}

static struct entry *
entry_new(struct discovery *d, const char *service, const char *version,
    const struct pod_name *as, const struct resolver_settings *settings)
{
	struct entry *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	e->magic = ENTRY_MAGIC;
	e->discovery = d;
	e->service = strdup(service);
	e->version = strdup(version);
	e->name = name_new(as, settings);
	e->since_us = clock_now_us();
	evtimer_assign(&e->timer, d->base, entry_on_time, e);
	if (e->service != NULL && e->version != NULL && e->name != NULL)
		return e;
	entry_free(e);
	return NULL;
}

static bool
entry_is(const struct entry *e, const char *service, const char *version,
    const char *text)
{
	return e != NULL && strcmp(e->service, service) == 0 &&
	       strcmp(e->version, version) == 0 &&
	       strcmp(name_text(e->name), text) == 0;
}

/*
 * The entry that was there before, taken out of the list: mostly the one
 * behind the one that was found last. NULL: it is new.
 */
static struct entry *
take_entry(struct discovery *d, size_t *hint, const char *service,
    const char *version, const char *text)
{
	for (size_t i = 0; i < d->n; i++) {
		size_t at = (*hint + i) % d->n;
		struct entry *e = d->entries[at];

		if (!entry_is(e, service, version, text))
			continue;
		d->entries[at] = NULL;
		*hint = at + 1;
		return e;
	}
	return NULL;
}

/* What becomes of the entries. */
struct update {
	struct discovery *discovery;
	const struct resolver_settings *settings;
	struct entry **entries;
	size_t n, hint;
	int rc;
};

static void
update_name(struct update *u, const char *service, const char *version,
    const struct pod_name *as)
{
	struct discovery *d = u->discovery;
	struct entry *e = take_entry(d, &u->hint, service, version, as->text);

	if (e != NULL) {
		name_follow(e->name, as, u->settings);
		e->asking = false;
		entry_apply(e);
	} else {
		e = entry_new(d, service, version, as, u->settings);
	}
	if (e == NULL) {
		log_error("name %s of %s/%s: out of memory", as->text, service,
		    version);
		u->rc = -1;
		return;
	}
	entry_set_timer(e, PACE_US * u->n);
	u->entries[u->n++] = e;
}

static void
update_version(
    struct update *u, const char *service, const struct version_spec *v)
{
	pods_keep_names(
	    u->discovery->pods, service, v->name, v->names, v->nnames);
	for (size_t i = 0; i < v->nnames; i++)
		update_name(u, service, v->name, &v->names[i]);
}

static size_t
count_names(const struct spec *spec)
{
	size_t n = 0;

	for (size_t i = 0; i < spec->nservices; i++)
		for (size_t k = 0; k < spec->services[i].nversions; k++)
			n += spec->services[i].versions[k].nnames;
	return n;
}

/* Questions under way are dropped; -1 when there is none to ask. */
static int
new_resolver(struct discovery *d, const struct resolver_settings *settings)
{
	char why[256] = "out of memory";

	d->resolver = resolver_new(d->base, settings, why, sizeof why);
	if (d->resolver == NULL)
		log_error("resolver: %s; names of pods are not asked for", why);
	return d->resolver != NULL ? 0 : -1;
}

int
discovery_update(struct discovery *d, const struct conf *conf)
{
	struct update u = {
	    .discovery = d, .settings = &conf->settings.resolver};
	const size_t n = count_names(conf->spec);

	CHECK_OBJ(d, DISCOVERY_MAGIC);
	if (d->stopped)
		return 0;
	resolver_free(d->resolver);
	d->resolver = NULL;
	u.entries = calloc(n + 1, sizeof(struct entry *));
	if (u.entries == NULL || (n > 0 && new_resolver(d, u.settings) < 0)) {
		free(u.entries);
		for (size_t i = 0; i < d->n; i++)
			event_del(&d->entries[i]->timer);
		return -1;
	}
	for (size_t i = 0; i < conf->spec->nservices; i++) {
		const struct service_spec *s = &conf->spec->services[i];

		for (size_t k = 0; k < s->nversions; k++)
			update_version(&u, s->name, &s->versions[k]);
	}
	for (size_t i = 0; i < d->n; i++)
		entry_free(d->entries[i]);
	free(d->entries);
	d->entries = u.entries;
	d->n = u.n;
	return u.rc;
}

struct discovery *
discovery_new(struct event_base *base, struct pods *pods, struct events *events)
{
	struct discovery *d = calloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->magic = DISCOVERY_MAGIC;
	d->base = base;
	d->pods = pods;
	d->events = events;
	return d;
}

void
discovery_stop(struct discovery *d)
{
	CHECK_OBJ(d, DISCOVERY_MAGIC);
	d->stopped = true;
	resolver_free(d->resolver);
	d->resolver = NULL;
	for (size_t i = 0; i < d->n; i++)
		event_del(&d->entries[i]->timer);
}

void
discovery_free(struct discovery *d)
{
	if (d == NULL)
		return;
	discovery_stop(d);
	for (size_t i = 0; i < d->n; i++)
		entry_free(d->entries[i]);
	free(d->entries);
	d->magic = 0;
	free(d);
}

bool
discovery_get(const struct discovery *d, size_t i, struct discovery_view *view)
{
	const struct address *list;
	const uint16_t *weights;
	const struct entry *e;

	CHECK_OBJ(d, DISCOVERY_MAGIC);
	if (i >= d->n)
		return false;
	e = d->entries[i];
	*view = (struct discovery_view){
	    .service = e->service,
	    .version = e->version,
	    .name = name_text(e->name),
	    .state = name_state(e->name),
	    .problem = name_problem(e->name),
	    .addresses = name_addresses(e->name, &list, &weights),
	    .cut = name_cut(e->name),
	    .asking = e->asking,
	    .since_us = e->since_us,
	    .good_us = name_good_us(e->name),
	    .due_us = name_due_us(e->name),
	};
	return true;
}

uint64_t
discovery_questions(const struct discovery *d, enum dns_outcome outcome)
{
	CHECK_OBJ(d, DISCOVERY_MAGIC);
	CHECK(outcome < DNS_OUTCOME_COUNT);
	return d->counts[outcome];
}
