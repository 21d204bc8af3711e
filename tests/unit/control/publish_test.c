/*
 * Publishing to workers that are played by this test: when it is done, what
 * is kept how long. The file under test is compiled in, as the mailbox it
 * sends to is ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "router/split.h"

#include "control/publish.c" /* NOLINT: with our mailbox_send */

#define WORKERS 2u

struct mailbox {
	struct message last;
	unsigned n;
};

void
mailbox_send(struct mailbox *m, const struct message *message)
{
	m->last = *message;
	m->n++;
}

static const char text[] = "listen: [{address: \"127.0.0.1:8080\"}]\n"
			   "services:\n"
			   "  shop:\n"
			   "    routes: [{path: /}]\n"
			   "    versions:\n"
			   "      v1: {pods: [\"127.0.0.1:9001\"]}\n"
			   "      v2: {pods: [\"127.0.0.1:9002\"]}\n"
			   "    stable: v1\n"
			   "    weights: {v1: 80, v2: 20}\n";

struct fixture {
	struct mailbox boxes[WORKERS];
	struct publish *publish;
	unsigned told;
	char error[64];
};

static struct conf *
conf_of(void)
{
	struct conf_errors errors = {0};
	struct conf *conf;

	conf = conf_parse("test.yaml", text, sizeof(text) - 1, &errors);
	if (conf == NULL)
		print_error("%s\n", errors.lines[0]);
	assert_non_null(conf);
	conf_errors_free(&errors);
	return conf;
}

static int
setup(void **state)
{
	static struct fixture f;
	struct conf *conf = conf_of();
	struct plan *plan;
	char why[256];

	f = (struct fixture){0};
	plan = plan_build(conf->spec, NULL, WORKERS, 1, why, sizeof(why));
	assert_non_null(plan);
	f.publish = publish_new(WORKERS, plan, conf);
	assert_non_null(f.publish);
	for (unsigned i = 0; i < WORKERS; i++)
		publish_worker(f.publish, i, &f.boxes[i]);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	publish_free(f->publish);
	return 0;
}

static void
on_done(void *arg, const char *error)
{
	struct fixture *f = arg;

	f->told++;
	snprintf(f->error, sizeof f->error, "%s", error != NULL ? error : "");
}

/* The plan that is then in force. */
static struct plan *
shift(struct fixture *f, uint64_t weight, struct conf *conf)
{
	struct weight_change change = {
	    .version = "v2", .weight = weight * WEIGHT_ONE};
	struct plan *plan;
	char why[256];

	plan = plan_with_weights(
	    publish_current(f->publish), "shop", &change, 1, why, sizeof(why));
	assert_non_null(plan);
	assert_int_equal(publish_plan(f->publish, plan, conf, on_done, f), 0);
	return plan;
}

static void
done_when_all_have_it(void **state)
{
	struct fixture *f = *state;
	struct plan *plan = shift(f, 50, NULL);

	assert_ptr_equal(publish_current(f->publish), plan);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(f->boxes[i].n, 1);
		assert_int_equal(f->boxes[i].last.kind, MSG_PLAN);
		assert_ptr_equal(f->boxes[i].last.plan, plan);
		assert_ptr_equal(f->boxes[i].last.settings,
		    &publish_conf(f->publish)->settings);
	}
	publish_taken(f->publish, 1);
	assert_int_equal(f->told, 0);
	publish_taken(f->publish, 0);
	assert_int_equal(f->told, 1);
	assert_string_equal(f->error, "");
}

static void
several_under_way(void **state)
{
	struct fixture *f = *state;

	shift(f, 50, NULL);
	shift(f, 60, NULL);
	shift(f, 70, NULL);
	publish_taken(f->publish, 0);
	publish_taken(f->publish, 0);
	publish_taken(f->publish, 0);
	assert_int_equal(f->told, 0);
	publish_taken(f->publish, 1);
	assert_int_equal(f->told, 1);
	publish_taken(f->publish, 1);
	assert_int_equal(f->told, 2);
	publish_taken(f->publish, 1);
	assert_int_equal(f->told, 3);
}

static void
plan_lives_until_it_is_left(void **state)
{
	struct fixture *f = *state;
	struct plan *first = publish_current(f->publish);

	/* ours, and one per worker */
	assert_int_equal(first->refs, 1 + WORKERS);
	plan_hold(first);
	shift(f, 50, NULL);
	assert_int_equal(first->refs, 1 + WORKERS);
	for (unsigned i = 0; i < WORKERS; i++)
		publish_taken(f->publish, i);
	publish_left(f->publish, 1, first);
	assert_int_equal(first->refs, 1 + 1);
	publish_left(f->publish, 0, first);
	assert_int_equal(first->refs, 1);
	plan_drop(first);
}

static void
settings_live_until_the_successor_is_taken(void **state)
{
	struct fixture *f = *state;
	const struct conf *first = publish_conf(f->publish);
	struct conf *second = conf_of();

	shift(f, 50, second);
	assert_ptr_equal(publish_conf(f->publish), second);
	assert_ptr_equal(f->boxes[0].last.settings, &second->settings);
	publish_taken(f->publish, 0);
	/* worker 1 may still look: a sanitizer tells if it is gone */
	assert_int_equal(first->settings.nlisteners, 1);
	publish_taken(f->publish, 1);
	assert_int_equal(f->told, 1);
	/* the plan of the first is in use, its settings are not */
	assert_null(TAILQ_FIRST(&f->publish->all)->edition);
}

static void
stop_tells_all_who_wait(void **state)
{
	struct fixture *f = *state;
	struct plan *plan = shift(f, 50, NULL), *held;

	publish_taken(f->publish, 0);
	publish_stop(f->publish);
	assert_int_equal(f->told, 1);
	assert_string_equal(f->error, "shutting down");
	assert_int_equal(plan->refs, 1);

	held = plan_hold(publish_current(f->publish));
	assert_int_equal(publish_plan(f->publish, held, NULL, on_done, f), -1);
	assert_int_equal(f->told, 2);
	assert_int_equal(plan->refs, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(done_when_all_have_it),
	    TEST(several_under_way),
	    TEST(plan_lives_until_it_is_left),
	    TEST(settings_live_until_the_successor_is_taken),
	    TEST(stop_tells_all_who_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
