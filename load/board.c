/* Names of versions, and the scores behind them. */
#include "load/board.h"

#include <stdlib.h>
#include <string.h>

#include "load/count.h"

const char *const failure_words[FAILURE_COUNT] = {
#define X(id, word) [FAILURE_##id] = word,
    FAILURES(X)
#undef X
};

struct board *
board_new(unsigned nprofiles)
{
	struct board *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->nprofiles = nprofiles;
	memcpy(b->names[BOARD_NO_VERSION], BOARD_NO_NAME, sizeof BOARD_NO_NAME);
	atomic_store(&b->nversions, 1);
	return b;
}

void
board_free(struct board *b)
{
	if (b == NULL)
		return;
	for (unsigned v = 0; v < BOARD_VERSIONS; v++)
		for (unsigned p = 0; p < b->nprofiles; p++)
			free(atomic_load(&b->scores[v][p]));
	free(b);
}

unsigned
board_versions(const struct board *b)
{
	return atomic_load_explicit(&b->nversions, memory_order_acquire);
}

/* What does not print would break tables and labels. */
static void
copy_name(char *to, struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		to[i] = name.p[i] >= ' ' && name.p[i] < 0x7f ? name.p[i] : '?';
	to[name.n] = '\0';
}

unsigned
board_version(struct board *b, struct span name)
{
	unsigned n = atomic_load_explicit(&b->nversions, memory_order_relaxed);
	char clean[BOARD_NAME_MAX + 1];

	if (name.n == 0)
		return BOARD_NO_VERSION;
	if (name.n > BOARD_NAME_MAX)
		name.n = BOARD_NAME_MAX;
	copy_name(clean, name);
	for (unsigned v = 0; v < n; v++)
		if (strcmp(b->names[v], clean) == 0)
			return v;
	if (n == BOARD_VERSIONS)
		return BOARD_VERSIONS - 1;
	if (n == BOARD_VERSIONS - 1)
		memcpy(b->names[n], BOARD_OTHERS, sizeof BOARD_OTHERS);
	else
		memcpy(b->names[n], clean, sizeof clean);
	atomic_store_explicit(&b->nversions, n + 1, memory_order_release);
	return n;
}

const struct score *
board_look(const struct board *b, unsigned version, unsigned profile)
{
	return atomic_load_explicit(
	    &b->scores[version][profile], memory_order_acquire);
}

struct score *
board_score(struct board *b, unsigned version, unsigned profile)
{
	struct score *s = atomic_load_explicit(
	    &b->scores[version][profile], memory_order_relaxed);

	if (s != NULL)
		return s;
	s = calloc(1, sizeof *s);
	atomic_store_explicit(
	    &b->scores[version][profile], s, memory_order_release);
	return s;
}

uint64_t
score_failures(const struct score *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		n += count_get(&s->failures[i]);
	return n;
}

void
score_merge(struct score *to, const struct score *from)
{
	if (from == NULL)
		return;
	count_add(&to->requests, count_get(&from->requests));
	for (unsigned i = 0; i < FAILURE_COUNT; i++)
		count_add(&to->failures[i], count_get(&from->failures[i]));
	for (int i = 0; i <= BOARD_STATUS_MAX - BOARD_STATUS_MIN; i++)
		count_add(&to->statuses[i], count_get(&from->statuses[i]));
	histogram_merge(&to->latency, &from->latency);
}
