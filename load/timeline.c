/* Slots of a run, and how they are folded. */
#include "load/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "load/histogram.h"

struct timeline *
timeline_new(void)
{
	struct timeline *t = calloc(1, sizeof *t);

	if (t != NULL)
		t->width_ns = TIMELINE_WIDTH_NS;
	return t;
}

void
timeline_free(struct timeline *t)
{
	free(t);
}

void
timeline_add_slot(struct timeline_slot *to, const struct timeline_slot *from,
    const unsigned *versions)
{
	for (unsigned v = 0; v < BOARD_VERSIONS; v++) {
		unsigned at = versions != NULL ? versions[v] : v;

		to->requests[at] += from->requests[v];
		to->errors[at] += from->errors[v];
	}
	for (unsigned i = 0; i < TIMELINE_BUCKETS; i++)
		to->latency[i] += from->latency[i];
	to->answered += from->answered;
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
}

static void
fold(struct timeline *t)
{
	unsigned n = (t->n + 1) / 2;

	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			t->slots[i] = t->slots[2 * i];
		if (2 * i + 1 < t->n)
			timeline_add_slot(
			    &t->slots[i], &t->slots[2 * i + 1], NULL);
	}
	memset(&t->slots[n], 0, (t->n - n) * sizeof t->slots[0]);
	t->n = n;
	t->width_ns *= 2;
}

void
timeline_add(struct timeline *t, uint64_t at_ns, unsigned version, bool failed,
    uint64_t latency_ns)
{
	struct timeline_slot *s;
	unsigned bucket;

	while (at_ns / t->width_ns >= TIMELINE_SLOTS)
		fold(t);
	s = &t->slots[at_ns / t->width_ns];
	if (t->n <= at_ns / t->width_ns)
		t->n = (unsigned)(at_ns / t->width_ns) + 1;
	s->requests[version]++;
	s->errors[version] += failed;
	if (latency_ns == UINT64_MAX)
		return;
	bucket = histogram_bucket(latency_ns / 1000, TIMELINE_SUB_BITS);
	if (bucket >= TIMELINE_BUCKETS)
		bucket = TIMELINE_BUCKETS - 1;
	s->latency[bucket]++;
	s->answered++;
	if (latency_ns > s->max_ns)
		s->max_ns = latency_ns;
}

void
timeline_merge(struct timeline *to, struct timeline *from,
    const unsigned versions[BOARD_VERSIONS])
{
	while (to->width_ns < from->width_ns)
		fold(to);
	while (from->width_ns < to->width_ns)
		fold(from);
	for (unsigned i = 0; i < from->n; i++)
		timeline_add_slot(&to->slots[i], &from->slots[i], versions);
	if (to->n < from->n)
		to->n = from->n;
}

uint64_t
timeline_quantile(const struct timeline_slot *s, double q)
{
	uint64_t rank = (uint64_t)(q * (double)s->answered), seen = 0;

	if (s->answered == 0)
		return 0;
	for (unsigned i = 0; i < TIMELINE_BUCKETS; i++) {
		seen += s->latency[i];
		if (seen > rank) {
			uint64_t ns =
			    histogram_middle(i, TIMELINE_SUB_BITS) * 1000;

			return ns < s->max_ns ? ns : s->max_ns;
		}
	}
	return s->max_ns;
}
