/* Counting pods, picking one, doubling a time. */
#include "control/launch_policy.h"

struct census {
	size_t fresh, fresh_ready, old;
};

static struct census
count(const struct launch_view *pods, size_t n)
{
	struct census c = {0};

	for (size_t i = 0; i < n; i++) {
		c.fresh += pods[i].fresh;
		c.fresh_ready += pods[i].fresh && pods[i].ready;
		c.old += !pods[i].fresh;
	}
	return c;
}

static bool
goes_before(const struct launch_view *a, const struct launch_view *b)
{
	if (a->ready != b->ready)
		return !a->ready;
	return a->born > b->born;
}

/* Of those that are fresh, or of the others, of which there is one. */
static size_t
pick(const struct launch_view *pods, size_t n, bool fresh)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++)
		if (pods[i].fresh == fresh &&
		    (best == n || goes_before(&pods[i], &pods[best])))
			best = i;
	return best;
}

enum launch_step
launch_step(
    const struct launch_view *pods, size_t n, unsigned wanted, size_t *which)
{
	struct census c = count(pods, n);
	bool settled = c.fresh_ready == c.fresh;

	if (n < wanted)
		return LAUNCH_START;
	if (c.old == 0) {
		*which = pick(pods, n, true);
		return n > wanted ? LAUNCH_TAKE : LAUNCH_REST;
	}
	if (n == wanted)
		return settled ? LAUNCH_START : LAUNCH_REST;
	*which = pick(pods, n, false);
	if (settled || n > (size_t)wanted + 1 || !pods[*which].ready)
		return LAUNCH_TAKE;
	return LAUNCH_REST;
}

uint32_t
launch_backoff(
    struct launch_backoff *b, uint32_t min_ms, uint32_t max_ms, uint64_t ran_us)
{
	if (b->wait_ms == 0 || ran_us >= max_ms * 1000ull)
		b->wait_ms = min_ms;
	else
		b->wait_ms = b->wait_ms > max_ms / 2 ? max_ms : 2 * b->wait_ms;
	return b->wait_ms;
}
