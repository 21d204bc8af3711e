/* recreate: all old pods go, then all new ones come. */
#include "strategies/stages.h"

enum {
	STOP, /* nobody takes requests: they wait, or get 503 */
	START,
	OVER,
};

/* From one version to the other, in either direction. */
static void
swap(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, const struct version_facts *from,
    const struct version_facts *to, struct wish *w)
{
	if (s->stage == STOP) {
		w->closed = true;
		if (from->pods + from->leaving > 0) {
			wish_say(w, PROGRESS_GOING, "%u pods are going",
			    from->pods + from->leaving);
			return;
		}
		stage_enter(s, f, START);
	}
	if (s->stage == START) {
		w->closed = true;
		if (!stage_ready(s, t, f, to, f->replicas, w))
			return;
		w->closed = false;
		stage_enter(s, f, OVER);
	}
	wish_say(w, PROGRESS_FINISHED, "%u pods are ready", to->ready);
}

static void
advance(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	swap(s, t, f, &f->old, &f->new, w);
	w->new_replicas = s->stage == STOP ? 0 : f->replicas;
	w->share = s->stage == OVER ? SHARE_ALL : 0;
}

static void
retreat(struct strategy_state *s, const struct strategy_terms *t,
    const struct facts *f, struct wish *w)
{
	swap(s, t, f, &f->new, &f->old, w);
	w->old_replicas = s->stage == STOP ? 0 : f->replicas;
	w->share = 0;
}

const struct strategy_ops strategy_recreate = {
    .name = "recreate",
    .last = OVER,
    .last_back = OVER,
    .advance = advance,
    .retreat = retreat,
};
