/* The strategies by name, and what holds for all of them. */
#include "strategies/stages.h"

#include <stdio.h>
#include <string.h>

static const struct strategy_ops *const all[] = {&strategy_recreate,
    &strategy_rolling, &strategy_blue_green, &strategy_canary, &strategy_ab};

#define ALL (sizeof all / sizeof all[0])

const struct strategy_ops *
strategy_find(const char *name)
{
	for (size_t i = 0; i < ALL; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

const struct strategy_ops *
strategy_at(size_t i)
{
	return i < ALL ? all[i] : NULL;
}

void
strategy_names(char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ALL && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s",
		    i > 0 ? ", " : "", all[i]->name);
}

bool
strategy_knows(
    const struct strategy_ops *ops, const struct strategy_state *s, bool back)
{
	return s->stage <= (back ? ops->last_back : ops->last);
}

bool
strategy_fit(struct strategy_state *s, const struct strategy_terms *t)
{
	const uint32_t most = strategy_canary_promotes(s)
				  ? (uint32_t)t->nsteps
				  : (uint32_t)t->nsteps - 1;

	if (t->ops != &strategy_canary || t->nsteps == 0 || s->step <= most)
		return false;
	s->step = most;
	return true;
}

/* A version without a ready pod would only answer 503. */
static void
keep_answering(const struct facts *f, struct wish *w)
{
	if (f->new.ready == 0 && f->old.ready > 0)
		w->share = 0;
	else if (f->old.ready == 0 && f->new.ready > 0)
		w->share = SHARE_ALL;
}

void
strategy_advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	if (s->since_us == 0)
		s->since_us = f->now_us;
	*w = (struct wish){.progress = PROGRESS_GOING};
	t->ops->advance(s, t, f, w);
	keep_answering(f, w);
}

void
strategy_retreat(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	if (s->since_us == 0)
		s->since_us = f->now_us;
	*w = (struct wish){.progress = PROGRESS_GOING};
	t->ops->retreat(s, t, f, w);
	keep_answering(f, w);
}
