/* Rollouts without a loop: phases, pauses, rows, and what is wrong in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/events.h"
#include "control/rollout.h"
#include "control/rollout_store.h"
#include "control/store.h"

#define MINUTE 60000000ull

static struct events *events;
static char folder[] = "/tmp/shunt-rollout-XXXXXX";
static char path[sizeof folder + 16];

static int
setup(void **state)
{
	(void)state;
	events = events_new();
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/state.db", folder);
	return events != NULL ? 0 : -1;
}

static void
unlink_with(const char *ending)
{
	char name[sizeof path + 8];

	snprintf(name, sizeof name, "%s%s", path, ending);
	unlink(name);
}

static int
teardown(void **state)
{
	(void)state;
	events_free(events);
	unlink_with("");
	unlink_with("-wal");
	unlink_with("-shm");
	return rmdir(folder);
}

static struct rollout *
canary(uint64_t id)
{
	struct rollout *r =
	    rollout_new(id, "shop", "v1", "v2", &strategy_canary, 1000);

	assert_non_null(r);
	return r;
}

static void
every_move_is_legal_or_not(void **state)
{
	static const char *const legal[] = {
	    "starting progressing paused promoting rolling_back failed",
	    "progressing paused promoting rolling_back failed",
	    "paused starting progressing promoting rolling_back failed",
	    "promoting paused done rolling_back failed",
	    "rolling_back rolled_back failed",
	    "done",
	    "rolled_back",
	    "failed",
	};

	(void)state;
	for (unsigned from = 0; from < ROLLOUT_PHASE_COUNT; from++)
		for (unsigned to = 0; to < ROLLOUT_PHASE_COUNT; to++) {
			char word[32];
			bool may;

			snprintf(word, sizeof word, " %s ",
			    rollout_phase_name((enum rollout_phase)to));
			may = strstr(legal[from], word) != NULL;
			word[strlen(word) - 1] = '\0';
			if (!may && strlen(legal[from]) >= strlen(word))
				may = strcmp(legal[from] + strlen(legal[from]) -
						 strlen(word),
					  word) == 0;
			assert_int_equal(
			    rollout_may_move((enum rollout_phase)from,
				(enum rollout_phase)to),
			    may);
		}
}

static void
a_pause_of_a_person_takes_no_time(void **state)
{
	struct rollout *r = canary(1);

	(void)state;
	r->state.since_us = 5 * MINUTE;
	rollout_move(r, events, ROLLOUT_PAUSED, "pause", "asked for");
	rollout_set_pause(r, PAUSE_PERSON, 6 * MINUTE);
	assert_true(rollout_frozen(r));
	rollout_end_pause(r, 9 * MINUTE);
	assert_int_equal(r->state.since_us, 8 * MINUTE);
	assert_int_equal(r->paused_us, 3 * MINUTE);
	/* nor does one that begins while the clock is set back */
	rollout_set_pause(r, PAUSE_GATE, 9 * MINUTE);
	rollout_end_pause(r, 1 * MINUTE);
	assert_int_equal(r->state.since_us, 8 * MINUTE);
	/* a step that waits has its time go on */
	rollout_set_pause(r, PAUSE_STEP, 9 * MINUTE);
	assert_false(rollout_frozen(r));
	rollout_end_pause(r, 10 * MINUTE);
	assert_int_equal(r->state.since_us, 8 * MINUTE);
	assert_int_equal(r->paused_us, 4 * MINUTE);
	rollout_free(r);
}

static void
decisions_are_kept_told_and_bounded(void **state)
{
	struct rollout *r = canary(1);
	struct rollout_view v;
	char words[32];

	(void)state;
	for (unsigned i = 1; i <= 600; i++) {
		snprintf(words, sizeof words, "number %u", i);
		rollout_decide(r, events, "step", words);
	}
	rollout_show(r, &v);
	assert_int_equal(v.ndecisions, 500);
	assert_string_equal(v.decisions[0].reason, "number 101");
	assert_string_equal(v.decisions[499].reason, "number 600");
	assert_int_equal(r->first_seq, 101);
	rollout_free(r);
}

struct read {
	struct rollout *r;
	unsigned n;
	char why[160];
};

static void
read_row(void *arg, const struct stored_rollout *row,
    const struct stored_decision *decisions, size_t n)
{
	struct read *read = arg;

	rollout_free(read->r);
	read->r =
	    rollout_of_row(row, decisions, n, read->why, sizeof read->why);
	assert_non_null(read->r);
	read->n++;
}

static struct store *
open_store(void)
{
	char why[256];
	struct store *s = store_open(path, why, sizeof why);

	if (s == NULL)
		fail_msg("%s", why);
	return s;
}

static void
a_row_comes_back_as_it_went(void **state)
{
	struct store *store = open_store();
	struct rollout *r = canary(7);
	struct read read = {.r = NULL};

	(void)state;
	rollout_decide(r, events, "start", "v1 -> v2 by canary");
	rollout_move(r, events, ROLLOUT_PROGRESSING, "progress", "ready");
	r->state = (struct strategy_state){1, 2, 3000, 4, 5};
	r->now = (struct rollout_force){200000, 3, 1, LEAD_PREVIEW, true};
	r->verdict = VERDICT_PASS;
	r->verb = VERB_PROMOTE_FULL;
	r->undo = true;
	r->step = 3;
	r->steps = 4;
	store_begin(store);
	rollout_put(r, store);
	store_end(store);
	assert_true(r->stored);
	rollout_decide(r, events, "hold", "no data");
	assert_false(r->stored);
	store_begin(store);
	rollout_put(r, store);
	store_end(store);
	store_close(store);

	store = open_store();
	assert_int_equal(rollout_store_each_last(store, read_row, &read), 0);
	assert_int_equal(read.n, 1);
	assert_string_equal(read.why, "");
	assert_int_equal(read.r->id, 7);
	assert_string_equal(read.r->from, "v1");
	assert_ptr_equal(read.r->ops, &strategy_canary);
	assert_int_equal(read.r->phase, ROLLOUT_PROGRESSING);
	assert_memory_equal(&read.r->state, &r->state, sizeof r->state);
	assert_int_equal(read.r->now.share, 200000);
	assert_int_equal(read.r->now.old_replicas, 3);
	assert_int_equal(read.r->now.new_replicas, 1);
	assert_int_equal(read.r->now.lead, LEAD_PREVIEW);
	assert_true(read.r->now.closed && read.r->undo && read.r->stored);
	assert_int_equal(read.r->verb, VERB_PROMOTE_FULL);
	assert_int_equal(read.r->verdict, VERDICT_PASS);
	assert_int_equal(read.r->step, 3);
	assert_int_equal(read.r->steps, 4);
	assert_int_equal(read.r->ndecisions, 3);
	assert_string_equal(read.r->decisions[2].action, "hold");
	store_close(store);
	rollout_free(read.r);
	rollout_free(r);
}

static void
the_newest_come_first_and_the_oldest_go(void **state)
{
	struct store *store = open_store();
	struct read read = {.r = NULL};

	(void)state;
	store_begin(store);
	for (unsigned id = 10; id < 20; id++) {
		struct rollout *r = canary(id);

		rollout_decide(r, events, "start", "");
		rollout_put(r, store);
		rollout_free(r);
	}
	rollout_store_prune(store, "shop", 4);
	store_end(store);
	assert_int_equal(
	    rollout_store_each(store, "shop", 100, read_row, &read), 0);
	assert_int_equal(read.n, 4);
	assert_int_equal(read.r->id, 16);
	assert_int_equal(read.r->ndecisions, 1);
	read.n = 0;
	assert_int_equal(
	    rollout_store_each(store, "shop", 2, read_row, &read), 0);
	assert_int_equal(read.n, 2);
	assert_int_equal(read.r->id, 18);
	read.n = 0;
	assert_int_equal(
	    rollout_store_each(store, "other", 2, read_row, &read), 0);
	assert_int_equal(read.n, 0);
	store_close(store);
	rollout_free(read.r);
}

static void
see_stable(void *arg, const struct stored_stable *v)
{
	char *seen = arg;
	size_t n = strlen(seen);

	snprintf(
	    seen + n, 128 - n, "%s %s %s;", v->service, v->version, v->filed);
}

static void
stable_versions_are_kept(void **state)
{
	struct store *store = open_store();
	char seen[128] = "";

	(void)state;
	store_begin(store);
	rollout_store_stable(store, &(struct stored_stable){"a", "v2", "v1"});
	rollout_store_stable(store, &(struct stored_stable){"b", "v3", "v1"});
	rollout_store_stable(store, &(struct stored_stable){"a", "v4", "v1"});
	rollout_store_drop_stable(store, "b");
	store_end(store);
	assert_int_equal(rollout_store_each_stable(store, see_stable, seen), 0);
	assert_string_equal(seen, "a v4 v1;");
	store_close(store);
}

static const struct stored_rollout good = {
    .id = 1,
    .service = "shop",
    .strategy = "canary",
    .from = "v1",
    .to = "v2",
    .phase = "progressing",
    .verdict = "pass",
    .reason = "",
    .stage = 1,
};

static const char *
fault(const struct stored_rollout *row, enum rollout_phase phase)
{
	static char why[160];
	struct rollout *r = rollout_of_row(row, NULL, 0, why, sizeof why);

	assert_non_null(r);
	assert_int_equal(r->phase, phase);
	rollout_free(r);
	return why;
}

static void
verdicts_come_back_by_name(void **state)
{
	static const enum verdict all[] = {
	    VERDICT_NONE, VERDICT_NO_DATA, VERDICT_PASS, VERDICT_FAIL};
	struct stored_rollout row = good;
	char why[160];

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct rollout *r;

		row.verdict = verdict_name(all[i]);
		r = rollout_of_row(&row, NULL, 0, why, sizeof why);
		assert_non_null(r);
		assert_int_equal(r->verdict, all[i]);
		rollout_free(r);
	}
}

static void
a_bad_row_is_a_failed_rollout(void **state)
{
	struct stored_rollout row = good;

	(void)state;
	assert_string_equal(fault(&row, ROLLOUT_PROGRESSING), "");
	row.stage = 4;
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "its strategy knows no such stage");
	row = good;
	row.phase = "rolling_back"; /* has fewer stages */
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "its strategy knows no such stage");
	row = good;
	row.stage = (1ull << 32) + 1;
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "its strategy knows no such stage");
	row = good;
	row.strategy = "magic";
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "its strategy is unknown");
	row.phase = "done"; /* whatever it was, it is over */
	assert_string_equal(fault(&row, ROLLOUT_DONE), "");
	row = good;
	row.phase = "";
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "its phase is unknown");
	row = good;
	row.share = SHARE_ALL + 1;
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "a number of it is out of range");
	row = good;
	row.paused_by = PAUSE_PERSON;
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "what it waits for is unknown");
	row = good;
	row.to = "";
	assert_string_equal(
	    fault(&row, ROLLOUT_FAILED), "it names no versions");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_move_is_legal_or_not),
	    cmocka_unit_test(a_pause_of_a_person_takes_no_time),
	    cmocka_unit_test(decisions_are_kept_told_and_bounded),
	    cmocka_unit_test(a_row_comes_back_as_it_went),
	    cmocka_unit_test(the_newest_come_first_and_the_oldest_go),
	    cmocka_unit_test(stable_versions_are_kept),
	    cmocka_unit_test(verdicts_come_back_by_name),
	    cmocka_unit_test(a_bad_row_is_a_failed_rollout),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
