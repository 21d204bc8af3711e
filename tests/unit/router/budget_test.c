/* The retry budget: its bound over all workers, and when it is told of. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/budget.h"
#include "router/tally.h"
#include "router/terms.h"

#define WORKERS 4u
#define ALL	(WORKERS * BUDGET_PER_WORKER)
#define SECOND	1000000u

static const struct retry_spec spec = {.attempts = 1, .budget = 2000};

static struct tally *
make(void)
{
	struct tally *t = tally_new(WORKERS);

	assert_non_null(t);
	return t;
}

static void
test_one_pot(void **state)
{
	struct tally *t = make();

	(void)state;
	assert_int_equal(budget_left(t), ALL);
	for (unsigned i = 0; i < ALL; i++)
		assert_true(budget_take(t));
	assert_false(budget_take(t));
	assert_int_equal(budget_left(t), 0);
	tally_drop(t);
}

/* Five requests of 20 % pay for a retry of any worker. */
static void
test_requests_pay(void **state)
{
	struct tally *t = make();

	(void)state;
	while (budget_take(t))
		;
	for (unsigned i = 0; i < 4; i++)
		budget_pay(t, 1, 2000);
	assert_false(budget_take(t));
	budget_pay(t, 1, 2000);
	assert_int_equal(budget_left(t), 1);
	assert_true(budget_take(t));
	assert_false(budget_take(t));
	/* no worker rounds to its own favour */
	for (unsigned w = 0; w < WORKERS; w++)
		for (unsigned i = 0; i < 99; i++)
			budget_pay(t, w, 100);
	assert_false(budget_take(t));
	for (unsigned w = 0; w < WORKERS; w++)
		budget_pay(t, w, 100);
	assert_int_equal(budget_left(t), WORKERS);
	tally_drop(t);
}

/* It is as if it had not been taken, and never more than that. */
static void
test_given_back(void **state)
{
	struct tally *t = make();

	(void)state;
	while (budget_take(t))
		;
	budget_give_back(t);
	assert_int_equal(budget_left(t), 1);
	assert_true(budget_take(t));
	assert_false(budget_take(t));
	for (unsigned i = 0; i < ALL; i++)
		budget_give_back(t);
	assert_int_equal(budget_left(t), ALL);
	tally_drop(t);
}

static void
test_nothing_is_saved(void **state)
{
	struct tally *t = make();

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		budget_pay(t, i % WORKERS, 5000);
	assert_int_equal(budget_left(t), ALL);
	while (budget_take(t))
		;
	for (unsigned i = 0; i < 10000; i++)
		budget_pay(t, i % WORKERS, 5000);
	assert_int_equal(budget_left(t), ALL);
	for (unsigned i = 0; i < ALL; i++)
		assert_true(budget_take(t));
	assert_false(budget_take(t));
	tally_drop(t);
}

/* Who pays nothing, pays nothing. */
static void
test_a_share_of_nothing(void **state)
{
	struct tally *t = make();

	(void)state;
	assert_true(budget_take(t));
	for (unsigned i = 0; i < 100000; i++)
		budget_pay(t, 0, 0);
	assert_int_equal(budget_left(t), ALL - 1);
	tally_drop(t);
}

struct greedy {
	struct tally *t;
	unsigned worker, taken;
};

#define REQUESTS 50000u

/* Every request wants to be retried. */
static void *
take_all(void *arg)
{
	struct greedy *g = arg;

	for (unsigned i = 0; i < REQUESTS; i++) {
		budget_pay(g->t, g->worker, 1000);
		g->taken += budget_take(g->t);
	}
	return NULL;
}

static void
test_the_bound_holds_for_all_at_once(void **state)
{
	struct tally *t = make();
	struct greedy g[WORKERS];
	pthread_t threads[WORKERS];
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < WORKERS; i++) {
		g[i] = (struct greedy){t, i, 0};
		assert_int_equal(
		    pthread_create(&threads[i], NULL, take_all, &g[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		taken += g[i].taken;
	}
	/* 10 % and what there is to begin with, but for parts of one that
	 * nobody has paid */
	assert_in_range(taken, WORKERS * REQUESTS / 10 + ALL - 2 * WORKERS,
	    WORKERS * REQUESTS / 10 + ALL);
	tally_drop(t);
}

static void
test_what_is_bounded(void **state)
{
	static const struct {
		struct retry_spec spec;
		bool bounded;
	} rows[] = {
	    {{.attempts = 1, .budget = 1}, true},
	    {{.attempts = 1, .budget = 9999}, true},
	    {{.attempts = 1, .budget = 10000}, false},
	    {{.attempts = 1, .budget = 0}, false},
	    {{.attempts = 0, .budget = 2000}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(budget_bounds(&rows[i].spec), rows[i].bounded);
}

static void
refuse(struct tally *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tally_refused(t, i % WORKERS);
}

static void
retry(struct tally *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tally_retry(t, i % WORKERS);
}

static enum budget_news
look(struct tally *t, unsigned second, struct budget_story *story)
{
	return budget_look(t, &spec, (second + 1) * SECOND, story);
}

static void
test_spent_and_free(void **state)
{
	struct tally *t = make();
	struct budget_story story;

	(void)state;
	retry(t, 7);
	assert_int_equal(look(t, 0, &story), BUDGET_AS_IT_WAS);
	retry(t, 10);
	refuse(t, 30);
	assert_int_equal(look(t, 1, &story), BUDGET_SPENT);
	assert_true(t->budget.spent);
	assert_int_equal(story.made, 10);
	assert_int_equal(story.refused, 30);
	for (unsigned s = 2; s < 60; s++) { /* said once */
		refuse(t, s % 9 == 0);
		assert_int_equal(look(t, s, &story), BUDGET_AS_IT_WAS);
	}
	/* the last one in second 54 */
	retry(t, 5);
	for (unsigned s = 60; s < 64; s++)
		assert_int_equal(look(t, s, &story), BUDGET_AS_IT_WAS);
	assert_int_equal(look(t, 64, &story), BUDGET_FREE);
	assert_false(t->budget.spent);
	assert_int_equal(story.made, 15);
	assert_int_equal(story.refused, 36);
	assert_int_equal(story.us, 63 * SECOND);
	assert_int_equal(look(t, 65, &story), BUDGET_AS_IT_WAS);
	refuse(t, 1);
	assert_int_equal(look(t, 66, &story), BUDGET_SPENT);
	assert_int_equal(story.refused, 1);
	assert_int_equal(story.made, 0);
	tally_drop(t);
}

/* As long as more than half is owed the next failure may be refused. */
static void
test_not_free_before_it_is_paid(void **state)
{
	static const struct retry_spec unbounded = {
	    .attempts = 1, .budget = 10000};
	struct tally *t = make();
	struct budget_story story;

	(void)state;
	while (budget_take(t))
		;
	refuse(t, 1);
	assert_int_equal(look(t, 0, &story), BUDGET_SPENT);
	assert_int_equal(look(t, 1000, &story), BUDGET_AS_IT_WAS);
	for (unsigned i = 0; i < ALL / 2 - 1; i++)
		budget_pay(t, 0, BUDGET_ONE);
	assert_int_equal(look(t, 1001, &story), BUDGET_AS_IT_WAS);
	budget_pay(t, 0, BUDGET_ONE);
	assert_int_equal(look(t, 1002, &story), BUDGET_FREE);

	/* or nobody asks for it any more */
	while (budget_take(t))
		;
	refuse(t, 1);
	assert_int_equal(look(t, 1003, &story), BUDGET_SPENT);
	assert_int_equal(
	    budget_look(t, &unbounded, 1014 * SECOND, &story), BUDGET_FREE);
	tally_drop(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_pot),
	    cmocka_unit_test(test_requests_pay),
	    cmocka_unit_test(test_given_back),
	    cmocka_unit_test(test_nothing_is_saved),
	    cmocka_unit_test(test_a_share_of_nothing),
	    cmocka_unit_test(test_the_bound_holds_for_all_at_once),
	    cmocka_unit_test(test_what_is_bounded),
	    cmocka_unit_test(test_spent_and_free),
	    cmocka_unit_test(test_not_free_before_it_is_paid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
