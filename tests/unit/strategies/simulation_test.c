/*
 * Thousands of releases by chance: pods die and come back, starts fail, gates
 * change their mind, people say things at random moments. Whatever happens,
 * what a strategy wants keeps the promises below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#define ROLLOUTS 10000u
#define TICKS	 400u

static uint64_t chance;

static unsigned
roll(unsigned n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned)((chance >> 20) % n);
}

static struct canary_step steps[4];
/* What max_surge and max_unavailable are in whole pods. */
static unsigned surge, unavailable;

/* A number of pods or, as often, whole percents of n, up or down. */
static struct portion
portion(unsigned most, unsigned n, bool up, unsigned *pods)
{
	unsigned percent;

	if (roll(2) == 0) {
		*pods = roll(most);
		return (struct portion){.count = *pods};
	}
	percent = 1 + roll(100);
	*pods = (n * percent + (up ? 99 : 0)) / 100;
	return (struct portion){.share = percent * (SHARE_ALL / 100)};
}

static void
make(struct world *w)
{
	static const struct strategy_ops *const all[] = {&strategy_recreate,
	    &strategy_rolling, &strategy_blue_green, &strategy_canary,
	    &strategy_ab};
	struct strategy_terms *t = &w->terms;

	world_init(w, all[roll(5)], 1 + roll(10));
	w->start_us = roll(5) * SECOND;
	w->leave_us = roll(5) * SECOND;
	t->on_fail = roll(2) ? ON_FAIL_ROLLBACK : ON_FAIL_PAUSE;
	t->on_no_data = (enum on_no_data)roll(3);
	t->progress_deadline_us = roll(2) * 30 * SECOND;
	t->max_surge = portion(4, w->replicas, true, &surge);
	t->max_unavailable = portion(3, w->replicas, false, &unavailable);
	if (surge == 0 && unavailable == 0)
		unavailable = 1;
	t->parallelism = roll(4);
	t->min_ready_us = roll(3) * SECOND;
	t->order = roll(2) ? ROLL_START_FIRST : ROLL_STOP_FIRST;
	t->max_failed = (struct portion){.count = roll(4)};
	t->auto_promote = roll(2);
	t->keep_old_us = roll(10) * SECOND;
	t->duration_us = roll(20) * SECOND;
	t->nsteps = 1 + roll(4);
	t->steps = steps;
	for (size_t i = 0; i < t->nsteps; i++)
		steps[i] = (struct canary_step){
		    .share = (uint32_t)(SHARE_ALL / t->nsteps * i + roll(1000)),
		    .hold_us = roll(10) * SECOND,
		    .pause = roll(5) == 0,
		    .ramp = roll(2),
		};
}

/* A pod of the version dies, or one that is dead is up again. */
static void
disturb(struct sim_version *v, uint64_t now_us)
{
	struct sim_pod *p;

	if (v->n == 0)
		return;
	p = &v->pods[roll(v->n)];
	if (p->state == SIM_READY)
		*p = (struct sim_pod){SIM_DEAD, now_us};
	else if (p->state == SIM_DEAD)
		*p = (struct sim_pod){SIM_READY, now_us};
}

static void
happen(struct world *w)
{
	switch (roll(20)) {
	case 0:
		disturb(&w->old, w->now_us);
		break;
	case 1:
		disturb(&w->new, w->now_us);
		break;
	case 2:
		w->verdict = (enum verdict)(VERDICT_NO_DATA + roll(3));
		break;
	case 3:
		if (roll(3) == 0)
			w->verb = (enum strategy_verb)(1 + roll(2));
		break;
	case 4:
		if (roll(10) == 0)
			world_turn_back(w);
		break;
	case 5:
		w->new.failed += roll(10) == 0;
		break;
	}
}

static bool
is(const struct world *w, const struct strategy_ops *ops)
{
	return w->terms.ops == ops;
}

/* Nobody is sent where no pod is ready, while another version has some. */
static void
check_share(const struct world *w)
{
	const struct facts *f = &w->facts;
	const struct wish *wish = &w->wish;

	assert_true(wish->share <= SHARE_ALL);
	if (f->old.ready > 0 && f->new.ready == 0)
		assert_int_equal(wish->share, 0);
	if (f->old.ready == 0 && f->new.ready > 0)
		assert_int_equal(wish->share, SHARE_ALL);
	if (wish->closed)
		assert_true(is(w, &strategy_recreate));
}

/* Pods that serve are not told to go before others serve in their place. */
static void
check_pods(const struct world *w, const struct wish *before)
{
	const struct facts *f = &w->facts;
	const struct wish *wish = &w->wish;
	const unsigned n = w->replicas;
	unsigned old, new;

	if (is(w, &strategy_recreate)) {
		assert_true(wish->old_replicas == 0 ||
			    wish->new_replicas == 0 || f->old.pods == 0 ||
			    f->new.pods == 0);
		return;
	}
	if (!is(w, &strategy_rolling)) {
		/* kept until all traffic has left */
		assert_true(wish->old_replicas == n ||
			    wish->share == SHARE_ALL || f->old.ready == 0 ||
			    w->facts.new.ready >= n);
		return;
	}
	old = f->old.ready < wish->old_replicas ? f->old.ready
						: wish->old_replicas;
	new = f->new.ready < wish->new_replicas ? f->new.ready
						: wish->new_replicas;
	if (wish->old_replicas < before->old_replicas && old < f->old.ready)
		assert_true(old + new + unavailable >= n);
	if (wish->new_replicas < before->new_replicas && new < f->new.ready)
		assert_true(old + new + unavailable >= n);
	if (wish->new_replicas > before->new_replicas ||
	    wish->old_replicas > before->old_replicas)
		assert_true(
		    wish->old_replicas + wish->new_replicas <= n + surge);
}

static bool
over(const struct world *w)
{
	return w->wish.progress == PROGRESS_FINISHED;
}

/* True when it came to an end by itself. */
static bool
release(struct world *w)
{
	world_ask(w);
	for (unsigned i = 0; i < TICKS && !over(w); i++) {
		struct wish before = w->wish;
		bool was_back = w->back;

		happen(w);
		if (before.progress == PROGRESS_FAILED && !w->back)
			world_turn_back(w);
		world_tick(w, SECOND / 2);
		check_share(w);
		if (was_back == w->back)
			check_pods(w, &before);
	}
	return over(w);
}

/* From whatever was: without further trouble it ends at the stable version. */
static void
abort_ends(struct world *w)
{
	world_turn_back(w);
	w->terms.progress_deadline_us = 0;
	for (unsigned i = 0; i < w->old.n; i++)
		if (w->old.pods[i].state == SIM_DEAD)
			w->old.pods[i].state = SIM_READY;
	for (unsigned i = 0; i < w->new.n; i++)
		if (w->new.pods[i].state == SIM_DEAD)
			w->new.pods[i].state = SIM_READY;
	w->wish.progress = PROGRESS_GOING;
	for (unsigned i = 0; i < TICKS && !over(w); i++) {
		world_tick(w, SECOND / 2);
		check_share(w);
	}
	assert_int_equal(w->wish.progress, PROGRESS_FINISHED);
	assert_int_equal(w->wish.share, 0);
	assert_int_equal(w->facts.new.pods, 0);
	assert_true(w->facts.old.ready > 0);
}

static void
test_releases(void **state)
{
	unsigned finished = 0;

	(void)state;
	chance = 20261121;
	for (unsigned i = 0; i < ROLLOUTS; i++) {
		struct world w;
		make(&w);
		if (release(&w)) {
			finished++;
			if (!w.back)
				assert_int_equal(w.wish.share, SHARE_ALL);
		}
		if (roll(2) == 0)
			abort_ends(&w);
	}
	assert_in_range(finished, ROLLOUTS / 2, ROLLOUTS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
