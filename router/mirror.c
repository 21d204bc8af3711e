/* Mirrors of services: whose turn it is, and counting. */
#include "router/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/split.h"

#define COUNTS_MAGIC 0x31440001u

struct mirror_counts {
	unsigned magic;
	int refs; /* main only */
	unsigned nslots;
	struct tally *tally; /* held */
	struct mirror_slot slots[];
};

static const char *const skip_names[MIRROR_SKIPS] = {
    [MIRROR_SKIP_BODY] = "body",
    [MIRROR_SKIP_LIMIT] = "limit",
    [MIRROR_SKIP_INCOMPLETE] = "incomplete",
};

static const char *const difference_names[MIRROR_DIFFERENCES] = {
    [MIRROR_DIFFERS_STATUS] = "status",
    [MIRROR_DIFFERS_BODY] = "body",
};

static struct mirror_counts *
counts_new(unsigned nworkers)
{
	struct mirror_counts *c;
	size_t size = sizeof *c + nworkers * sizeof c->slots[0];

	c = aligned_alloc(alignof(struct mirror_counts), size);
	if (c == NULL)
		return NULL;
	memset(c, 0, size);
	c->magic = COUNTS_MAGIC;
	c->refs = 1;
	c->nslots = nworkers;
	c->tally = tally_new(nworkers);
	if (c->tally == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

static struct mirror_counts *
counts_hold(struct mirror_counts *c)
{
	CHECK_OBJ(c, COUNTS_MAGIC);
	c->refs++;
	return c;
}

static void
counts_drop(struct mirror_counts *c)
{
	if (c == NULL)
		return;
	CHECK_OBJ(c, COUNTS_MAGIC);
	CHECK(c->refs > 0);
	if (--c->refs > 0)
		return;
	tally_drop(c->tally);
	c->magic = 0;
	free(c);
}

/* The mirror of `old`, if it is of this version. */
static const struct mirror *
before(const struct service *old, const char *version)
{
	if (old == NULL || old->mirror == NULL ||
	    strcmp(old->versions[old->terms->mirror.version].name, version) !=
		0)
		return NULL;
	return old->mirror;
}

static bool
needs_split(uint32_t share)
{
	return share > 0 && share < MIRROR_ALL;
}

/* NULL without memory; a share has no other way to be wrong. */
static struct split *
split_of(uint32_t share)
{
	const uint64_t weights[] = {share, MIRROR_ALL - share};
	char why[160];

	CHECK(share < MIRROR_ALL);
	return split_new(weights, 2, why, sizeof why);
}

int
mirror_make(struct service *s, const struct service *old, unsigned nworkers)
{
	const struct mirror_spec *spec = &s->terms->mirror;
	const struct mirror *last;
	struct mirror *m;

	if (!spec->on)
		return 0;
	CHECK(spec->version < s->nversions);
	last = before(old, s->versions[spec->version].name);
	m = s->mirror = calloc(1, sizeof *m);
	if (m == NULL)
		return -1;
	m->counts =
	    last != NULL ? counts_hold(last->counts) : counts_new(nworkers);
	if (m->counts == NULL)
		return -1;
	CHECK(m->counts->nslots == nworkers);
	if (!needs_split(spec->share))
		return 0;
	m->split = last != NULL && old->terms->mirror.share == spec->share
		       ? split_hold(last->split)
		       : split_of(spec->share);
	return m->split != NULL ? 0 : -1;
}

int
mirror_copy(struct service *s, const struct service *old)
{
	const struct mirror *from = old->mirror;
	struct mirror *m;

	if (from == NULL)
		return 0;
	m = s->mirror = calloc(1, sizeof *m);
	if (m == NULL)
		return -1;
	m->counts = counts_hold(from->counts);
	if (from->split != NULL)
		m->split = split_hold(from->split);
	return 0;
}

void
mirror_free(struct mirror *m)
{
	if (m == NULL)
		return;
	split_drop(m->split);
	counts_drop(m->counts);
	free(m);
}

void
mirror_settle(struct service *s)
{
	struct mirror *m = s->mirror;

	if (m == NULL)
		return;
	m->to = s->versions[s->terms->mirror.version];
	m->to.tally = m->counts->tally;
}

bool
mirror_draw(const struct service *s)
{
	const struct mirror *m = s->mirror;

	if (m->split == NULL)
		return s->terms->mirror.share > 0;
	return split_next(m->split) == 0;
}

struct mirror_slot *
mirror_slot(const struct mirror *m, unsigned worker)
{
	CHECK_OBJ(m->counts, COUNTS_MAGIC);
	CHECK(worker < m->counts->nslots);
	return &m->counts->slots[worker];
}

void
mirror_skip(const struct mirror *m, unsigned worker, enum mirror_skip why)
{
	tally_add(&mirror_slot(m, worker)->skipped[why], 1);
}

void
mirror_differ(
    const struct mirror *m, unsigned worker, enum mirror_difference difference)
{
	tally_add(&mirror_slot(m, worker)->differences[difference], 1);
}

uint64_t
mirror_skipped(const struct mirror *m, enum mirror_skip why)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->counts->nslots; i++)
		n += atomic_load_explicit(
		    &m->counts->slots[i].skipped[why], memory_order_relaxed);
	return n;
}

uint64_t
mirror_differed(const struct mirror *m, enum mirror_difference difference)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < m->counts->nslots; i++)
		n += atomic_load_explicit(
		    &m->counts->slots[i].differences[difference],
		    memory_order_relaxed);
	return n;
}

const char *
mirror_skip_name(enum mirror_skip why)
{
	CHECK(why < MIRROR_SKIPS);
	return skip_names[why];
}

const char *
mirror_difference_name(enum mirror_difference difference)
{
	CHECK(difference < MIRROR_DIFFERENCES);
	return difference_names[difference];
}
