/*
 * What each strategy wants, second by second, as tables: forward, failing and
 * on the way back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

static const char *const progress_names[] = {
    [PROGRESS_GOING] = "going",
    [PROGRESS_WAITING] = "waiting",
    [PROGRESS_FINISHED] = "finished",
    [PROGRESS_FAILED] = "failed",
};

struct told {
	char text[2048];
	size_t used;
	char last[96];
};

/* "3 s: 5% 3+1 going rules", where it differs from the second before. */
static void
tell(struct told *told, const struct world *w, unsigned second)
{
	const struct wish *wish = &w->wish;
	char now[96];

	snprintf(now, sizeof now, "%g%% %u+%u %s%s%s",
	    wish->share * 100.0 / SHARE_ALL, wish->old_replicas,
	    wish->new_replicas, progress_names[wish->progress],
	    wish->closed ? " closed" : "", wish->rules ? " rules" : "");
	if (strcmp(now, told->last) == 0)
		return;
	memcpy(told->last, now, sizeof now);
	told->used += (size_t)snprintf(told->text + told->used,
	    sizeof told->text - told->used, "%u s: %s\n", second, now);
	assert_true(told->used < sizeof told->text);
}

/* What happens at which second. */
struct happening {
	unsigned second;
	enum verdict verdict;
	enum strategy_verb verb;
	bool turn_back;
};

static void
run(struct world *w, const struct happening *h, unsigned seconds,
    const char *expected)
{
	struct told told = {0};

	world_ask(w);
	tell(&told, w, 0);
	for (unsigned i = 1; i <= seconds; i++) {
		if (h != NULL && h->second == i) {
			w->verdict = h->verdict;
			w->verb = h->verb;
			if (h->turn_back)
				world_turn_back(w);
			h++;
		}
		world_tick(w, SECOND);
		tell(&told, w, i);
	}
	assert_string_equal(told.text, expected);
}

static const struct canary_step steps[] = {
    {.share = SHARE_ALL / 20, .hold_us = 5 * SECOND},
    {.share = SHARE_ALL / 2, .hold_us = 5 * SECOND},
};

static void
make_canary(struct world *w, const struct canary_step *list, size_t n)
{
	world_init(w, &strategy_canary, 3);
	w->terms.steps = list;
	w->terms.nsteps = n;
}

static void
test_canary(void **state)
{
	struct world w;

	(void)state;
	make_canary(&w, steps, 2);
	run(&w, NULL, 30,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 5% 3+1 going\n"
	    "7 s: 5% 3+2 going\n"
	    "9 s: 50% 3+2 going\n"
	    "14 s: 50% 3+3 going\n"
	    "16 s: 100% 0+3 going\n"
	    "17 s: 100% 0+3 finished\n");
}

/* At whatever step the gates fail: weight 0 in one step. */
static void
test_canary_fails(void **state)
{
	static const struct happening early[] = {
	    {4, VERDICT_FAIL, VERB_NONE, false},
	    {5, VERDICT_FAIL, VERB_NONE, true},
	    {0},
	};
	static const struct happening late[] = {
	    {11, VERDICT_FAIL, VERB_NONE, false},
	    {12, VERDICT_FAIL, VERB_NONE, true},
	    {0},
	};
	struct world w;

	(void)state;
	make_canary(&w, steps, 2);
	run(&w, early, 10,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 5% 3+1 going\n"
	    "4 s: 5% 3+1 failed\n"
	    "5 s: 0% 3+0 going\n"
	    "6 s: 0% 3+0 finished\n");
	make_canary(&w, steps, 2);
	run(&w, late, 20,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 5% 3+1 going\n"
	    "7 s: 5% 3+2 going\n"
	    "9 s: 50% 3+2 going\n"
	    "11 s: 50% 3+2 failed\n"
	    "12 s: 0% 3+0 going\n"
	    "13 s: 0% 3+0 finished\n");
	make_canary(&w, steps, 2);
	w.terms.on_fail = ON_FAIL_PAUSE;
	run(&w, early, 4,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 5% 3+1 going\n"
	    "4 s: 5% 3+1 waiting\n");
}

static void
test_canary_without_data(void **state)
{
	static const struct {
		enum on_no_data action;
		const char *expected;
	} rows[] = {
	    {ON_NO_DATA_HOLD,
		"0 s: 0% 3+1 going\n2 s: 5% 3+1 going\n7 s: 5% 3+1 waiting\n"},
	    {ON_NO_DATA_ADVANCE,
		"0 s: 0% 3+1 going\n2 s: 5% 3+1 going\n7 s: 5% 3+2 going\n"},
	    {ON_NO_DATA_ROLLBACK,
		"0 s: 0% 3+1 going\n2 s: 5% 3+1 going\n7 s: 5% 3+1 failed\n"},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		make_canary(&w, steps, 2);
		w.verdict = VERDICT_NO_DATA;
		w.terms.on_no_data = rows[i].action;
		run(&w, NULL, 8, rows[i].expected);
	}
}

static void
test_canary_by_hand(void **state)
{
	static const struct canary_step pausing[] = {
	    {.share = SHARE_ALL / 20, .pause = true},
	    {.share = SHARE_ALL / 2, .hold_us = 100 * SECOND},
	};
	static const struct happening verbs[] = {
	    {6, VERDICT_PASS, VERB_PROMOTE, false},
	    {9, VERDICT_FAIL, VERB_PROMOTE_FULL, false},
	    {0},
	};
	struct world w;

	(void)state;
	make_canary(&w, pausing, 2);
	run(&w, verbs, 15,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 5% 3+1 waiting\n"
	    "6 s: 5% 3+2 going\n"
	    "8 s: 50% 3+2 going\n"
	    "9 s: 50% 3+3 going\n"
	    "11 s: 100% 0+3 going\n"
	    "12 s: 100% 0+3 finished\n");
}

static void
test_canary_ramp(void **state)
{
	static const struct canary_step ramp[] = {
	    {.share = SHARE_ALL / 2, .hold_us = 4 * SECOND, .ramp = true},
	};
	struct world w;
	uint32_t last = 0;

	(void)state;
	make_canary(&w, ramp, 1);
	world_ask(&w);
	for (unsigned i = 0; i < 60; i++) {
		world_tick(&w, SECOND / 10);
		assert_true(w.wish.share >= last);
		assert_true(w.wish.share - last <= SHARE_ALL / 60);
		last = w.wish.share;
	}
	assert_int_equal(last, SHARE_ALL / 2);
}

/* Pods that never get ready cost nothing but time. */
static void
test_candidate_never_ready(void **state)
{
	static const struct strategy_ops *const all[] = {
	    &strategy_blue_green, &strategy_canary, &strategy_ab};
	struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make_canary(&w, steps, 2);
		w.terms.ops = all[i];
		w.broken = true;
		for (unsigned s = 0; s < 59; s++) {
			world_tick(&w, SECOND);
			assert_int_equal(w.wish.progress, PROGRESS_GOING);
			assert_int_equal(w.wish.share, 0);
			assert_int_equal(w.wish.old_replicas, 3);
		}
		world_tick(&w, 2 * SECOND);
		assert_int_equal(w.wish.progress, PROGRESS_FAILED);
		world_turn_back(&w);
		world_tick(&w, SECOND);
		world_tick(&w, SECOND);
		assert_int_equal(w.wish.progress, PROGRESS_FINISHED);
		assert_int_equal(w.wish.new_replicas, 0);
	}
}

static void
test_blue_green(void **state)
{
	static const struct happening back[] = {
	    {5, VERDICT_FAIL, VERB_NONE, false},
	    {6, VERDICT_FAIL, VERB_NONE, true},
	    {0},
	};
	static const struct happening by_hand[] = {
	    {4, VERDICT_PASS, VERB_PROMOTE, false}, {0}};
	struct world w;

	(void)state;
	world_init(&w, &strategy_blue_green, 3);
	w.terms.auto_promote = true;
	w.terms.keep_old_us = 5 * SECOND;
	run(&w, NULL, 20,
	    "0 s: 0% 3+3 going\n"
	    "2 s: 100% 3+3 going\n"
	    "7 s: 100% 0+3 going\n"
	    "8 s: 100% 0+3 finished\n");
	/* switched already: back at once, as the old ones are kept */
	world_init(&w, &strategy_blue_green, 3);
	w.terms.auto_promote = true;
	w.terms.keep_old_us = 5 * SECOND;
	run(&w, back, 10,
	    "0 s: 0% 3+3 going\n"
	    "2 s: 100% 3+3 going\n"
	    "5 s: 100% 3+3 failed\n"
	    "6 s: 0% 3+0 going\n"
	    "7 s: 0% 3+0 finished\n");
	world_init(&w, &strategy_blue_green, 3);
	run(&w, by_hand, 6,
	    "0 s: 0% 3+3 going\n"
	    "2 s: 0% 3+3 waiting rules\n"
	    "4 s: 100% 0+3 going\n"
	    "5 s: 100% 0+3 finished\n");
}

static void
test_recreate(void **state)
{
	static const struct happening back[] = {
	    {5, VERDICT_PASS, VERB_NONE, true}, {0}};
	struct world w;

	(void)state;
	world_init(&w, &strategy_recreate, 3);
	run(&w, back, 20,
	    "0 s: 0% 0+0 going closed\n"
	    "1 s: 0% 0+3 going closed\n"
	    "3 s: 100% 0+3 finished\n"
	    "5 s: 100% 0+0 going closed\n"
	    "6 s: 0% 3+0 going closed\n"
	    "8 s: 0% 3+0 finished\n");
}

static void
test_rolling(void **state)
{
	static const struct happening back[] = {
	    {4, VERDICT_PASS, VERB_NONE, true}, {0}};
	struct world w;

	(void)state;
	world_init(&w, &strategy_rolling, 3);
	run(&w, NULL, 30,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 33.3333% 2+1 going\n"
	    "3 s: 33.3333% 2+2 going\n"
	    "5 s: 66.6666% 1+2 going\n"
	    "6 s: 66.6666% 1+3 going\n"
	    "8 s: 100% 0+3 going\n"
	    "9 s: 100% 0+3 finished\n");
	world_init(&w, &strategy_rolling, 3);
	run(&w, back, 30,
	    "0 s: 0% 3+1 going\n"
	    "2 s: 33.3333% 2+1 going\n"
	    "3 s: 33.3333% 2+2 going\n"
	    "4 s: 33.3334% 2+1 going\n"
	    "5 s: 33.3334% 3+1 going\n"
	    "7 s: 0% 3+0 going\n"
	    "8 s: 0% 3+0 finished\n");
	world_init(&w, &strategy_rolling, 3);
	w.terms.max_surge = (struct portion){.count = 0};
	w.terms.max_unavailable = (struct portion){.count = 1};
	w.terms.order = ROLL_STOP_FIRST;
	run(&w, NULL, 30,
	    "0 s: 0% 2+0 going\n"
	    "1 s: 0% 2+1 going\n"
	    "3 s: 50% 1+1 going\n"
	    "4 s: 50% 1+2 going\n"
	    "6 s: 100% 0+2 going\n"
	    "7 s: 100% 0+3 going\n"
	    "9 s: 100% 0+3 finished\n");
}

static struct portion
percent(unsigned n)
{
	return (struct portion){.share = n * (SHARE_ALL / 100)};
}

static void
test_rolling_broken(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &strategy_rolling, 3);
	w.broken = true;
	run(&w, NULL, 61, "0 s: 0% 3+1 going\n60 s: 0% 3+1 failed\n");
}

/* Of eight 10 % are one beyond and none less; of one pod none is too few. */
static void
test_rolling_shares(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &strategy_rolling, 8);
	w.terms.max_surge = percent(10);
	w.terms.max_unavailable = percent(10);
	run(&w, NULL, 3,
	    "0 s: 0% 8+1 going\n"
	    "2 s: 12.5% 7+1 going\n"
	    "3 s: 12.5% 7+2 going\n");
	world_init(&w, &strategy_rolling, 8);
	w.terms.max_surge = percent(26);
	w.terms.max_unavailable = percent(25);
	w.terms.parallelism = 0;
	run(&w, NULL, 1, "0 s: 0% 6+3 going\n1 s: 0% 6+5 going\n");
	world_init(&w, &strategy_rolling, 1);
	w.terms.max_surge = (struct portion){0};
	w.terms.max_unavailable = percent(99);
	run(&w, NULL, 4,
	    "0 s: 0% 0+0 going\n"
	    "1 s: 0% 0+1 going\n"
	    "3 s: 100% 0+1 finished\n");
}

/* A tenth of eight is none, a quarter of them two. */
static void
test_rolling_failed(void **state)
{
	static const struct {
		struct portion max;
		unsigned replicas, most;
	} rows[] = {
	    {{.count = 0}, 8, 0},
	    {{.count = 3}, 8, 3},
	    {{.share = SHARE_ALL / 10}, 8, 0},
	    {{.share = SHARE_ALL / 4}, 8, 2},
	    {{.share = SHARE_ALL / 4}, 3, 0},
	    {{.share = SHARE_ALL}, 3, 3},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		world_init(&w, &strategy_rolling, rows[i].replicas);
		w.terms.max_failed = rows[i].max;
		w.new.failed = rows[i].most;
		world_ask(&w);
		assert_int_equal(w.wish.progress, PROGRESS_GOING);
		w.new.failed++;
		world_ask(&w);
		assert_int_equal(w.wish.progress, PROGRESS_FAILED);
	}
}

static void
test_ab(void **state)
{
	static const struct happening promote[] = {
	    {9, VERDICT_PASS, VERB_PROMOTE, false}, {0}};
	static const struct happening abort[] = {
	    {9, VERDICT_PASS, VERB_NONE, true}, {0}};
	struct world w;

	(void)state;
	world_init(&w, &strategy_ab, 3);
	w.terms.duration_us = 5 * SECOND;
	run(&w, promote, 12,
	    "0 s: 0% 3+3 going\n"
	    "2 s: 0% 3+3 going rules\n"
	    "7 s: 0% 3+3 waiting rules\n"
	    "9 s: 100% 0+3 going\n"
	    "10 s: 100% 0+3 finished\n");
	world_init(&w, &strategy_ab, 3);
	w.terms.duration_us = 5 * SECOND;
	run(&w, abort, 12,
	    "0 s: 0% 3+3 going\n"
	    "2 s: 0% 3+3 going rules\n"
	    "7 s: 0% 3+3 waiting rules\n"
	    "9 s: 0% 3+0 going\n"
	    "10 s: 0% 3+0 finished\n");
}

static void
test_names(void **state)
{
	char names[64];

	(void)state;
	strategy_names(names, sizeof names);
	assert_string_equal(names, "recreate, rolling, blue_green, canary, ab");
	assert_ptr_equal(strategy_find("canary"), &strategy_canary);
	assert_null(strategy_find("bluegreen"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_canary),
	    cmocka_unit_test(test_canary_fails),
	    cmocka_unit_test(test_canary_without_data),
	    cmocka_unit_test(test_canary_by_hand),
	    cmocka_unit_test(test_canary_ramp),
	    cmocka_unit_test(test_candidate_never_ready),
	    cmocka_unit_test(test_blue_green),
	    cmocka_unit_test(test_recreate),
	    cmocka_unit_test(test_rolling),
	    cmocka_unit_test(test_rolling_broken),
	    cmocka_unit_test(test_rolling_shares),
	    cmocka_unit_test(test_rolling_failed),
	    cmocka_unit_test(test_ab),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
