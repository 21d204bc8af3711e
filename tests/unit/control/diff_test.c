/* What is in force beside the file: row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "control/diff.h"
#include "control/pod_set.h"
#include "control/rollouts.h"
#include "router/plan.h"
#include "router/spec.h"
#include "router/split.h"

#define VERSIONS 2

/* A file and a plan that are the same until a test changes one. */
struct world {
	struct version_spec filed[VERSIONS];
	struct service_spec service_spec;
	struct spec file;
	struct version versions[VERSIONS];
	struct service service, *services[1];
	struct plan plan;
	struct pod_set *sets[VERSIONS];
	struct rollout_view rollout;
	bool running;
	struct diff *diff;
};

static struct address
at(const char *text)
{
	struct address a;

	assert_true(address_parse(span_of(text), &a));
	return a;
}

static const struct pod_set *
pods_of(void *arg, const char *service, const char *version)
{
	struct world *w = arg;

	assert_string_equal(service, "shop");
	return w->sets[strcmp(version, "v1") == 0 ? 0 : 1];
}

static bool
rollout_of(void *arg, const char *service, struct rollout_view *view)
{
	struct world *w = arg;

	assert_string_equal(service, "shop");
	*view = w->rollout;
	return w->running;
}

static void
make(struct world *w)
{
	static char *const names[VERSIONS] = {"v1", "v2"};
	static const uint64_t weights[VERSIONS] = {
	    80 * WEIGHT_ONE, 20 * WEIGHT_ONE};
	const struct address one = at("127.0.0.1:1");

	*w = (struct world){0};
	for (size_t i = 0; i < VERSIONS; i++) {
		w->filed[i] = (struct version_spec){
		    .name = names[i], .weight = weights[i]};
		w->versions[i] =
		    (struct version){.name = names[i], .weight = weights[i]};
		w->sets[i] = pod_set_new("shop", names[i]);
		assert_non_null(w->sets[i]);
		assert_int_equal(pod_set_file(w->sets[i], &one, NULL, 1), 0);
	}
	w->service_spec = (struct service_spec){
	    .name = "shop", .versions = w->filed, .nversions = VERSIONS};
	w->file = (struct spec){&w->service_spec, 1};
	w->service = (struct service){
	    .name = "shop", .versions = w->versions, .nversions = VERSIONS};
	w->services[0] = &w->service;
	w->plan = (struct plan){.services = w->services, .nservices = 1};
}

static void
compare(struct world *w)
{
	w->diff = diff_new(&(struct diff_parts){.file = &w->file,
	    .plan = &w->plan,
	    .pods = pods_of,
	    .rollout = rollout_of,
	    .arg = w});
	assert_non_null(w->diff);
}

static void
end(struct world *w)
{
	diff_free(w->diff);
	for (size_t i = 0; i < VERSIONS; i++)
		pod_set_free(w->sets[i]);
}

static const char *
or_dash(const char *text)
{
	return text != NULL ? text : "-";
}

/* "kind service version pod file running", - for NULL; in order. */
static void
expect(struct world *w, size_t n, ...)
{
	va_list rows;

	compare(w);
	assert_int_equal(w->diff->n, n);
	va_start(rows, n);
	for (size_t i = 0; i < n; i++) {
		const struct difference *d = &w->diff->rows[i];
		char text[512];

		snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%s",
		    diff_kind_name(d->kind), d->service, or_dash(d->version),
		    or_dash(d->pod), or_dash(d->filed), or_dash(d->running));
		assert_string_equal(text, va_arg(rows, const char *));
	}
	va_end(rows);
	end(w);
}

static void
test_the_same(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	expect(&w, 0);
}

static void
test_sets_that_nobody_touched_may_be_missing(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	for (size_t i = 0; i < VERSIONS; i++) {
		pod_set_free(w.sets[i]);
		w.sets[i] = NULL;
	}
	expect(&w, 0);
}

static void
test_stable_and_weights(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	w.service.stable = 1;
	w.versions[0].weight = 0;
	w.versions[1].weight = WEIGHT_ONE / 100;
	expect(&w, 3, "stable|shop|-|-|v1|v2", "weight|shop|v1|-|80%|0%",
	    "weight|shop|v2|-|20%|100%");
}

/* It is the share that counts. */
static void
test_other_weights_of_the_same_shares(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	w.versions[0].weight = 4 * WEIGHT_ONE;
	w.versions[1].weight = WEIGHT_ONE;
	expect(&w, 0);
}

static void
test_the_smallest_weight(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	w.filed[0].weight = w.versions[0].weight = 1000000ull * WEIGHT_ONE;
	w.filed[1].weight = 0;
	w.versions[1].weight = 1;
	compare(&w);
	assert_int_equal(w.diff->n, 2);
	assert_string_equal(w.diff->rows[1].running, "1e-08%");
	end(&w);
}

/* No version takes requests. */
static void
test_closed(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	w.versions[0].weight = w.versions[1].weight = 0;
	w.service.closed = true;
	expect(&w, 2, "weight|shop|v1|-|80%|0%", "weight|shop|v2|-|20%|0%");
}

static void
test_a_service_that_the_file_no_longer_has(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	w.file.nservices = 0;
	w.service.stable = 1;
	expect(&w, 0);
}

static struct pod_member *
member(struct world *w, size_t version, const char *address)
{
	const struct address a = at(address);
	struct pod_member *m = pod_set_get(w->sets[version], &a);

	assert_non_null(m);
	return m;
}

static void
test_pods(void **state)
{
	struct world w;
	struct pod_member *m;

	(void)state;
	make(&w);
	member(&w, 0, "127.0.0.1:1")->removed = true;
	m = member(&w, 0, "127.0.0.1:2");
	m->added = true;
	m->added_weight = 3;
	m = member(&w, 1, "127.0.0.1:3");
	m->added = true;
	m->added_weight = 1;
	m->order = POD_ORDER_MAINT;
	member(&w, 1, "127.0.0.1:1")->order = POD_ORDER_DRAIN;
	expect(&w, 5, "pod_removed|shop|v1|127.0.0.1:1|weight 1|-",
	    "pod_added|shop|v1|127.0.0.1:2|-|weight 3",
	    "pod_order|shop|v2|127.0.0.1:1|ready|drain",
	    "pod_added|shop|v2|127.0.0.1:3|-|weight 1",
	    "pod_order|shop|v2|127.0.0.1:3|-|maint");
}

/* Until its last request has ended. */
static void
test_a_removed_pod_drains(void **state)
{
	struct world w;
	struct pod_member *m;

	(void)state;
	make(&w);
	m = member(&w, 0, "127.0.0.1:1");
	m->removed = m->leaving = true;
	m->order = POD_ORDER_MAINT;
	expect(&w, 1, "pod_removed|shop|v1|127.0.0.1:1|weight 1|draining");
}

/* What a name of the file resolves to is of the file. */
static void
test_pods_of_names(void **state)
{
	const struct address two = at("127.0.0.1:2");
	struct world w;

	(void)state;
	make(&w);
	assert_true(pod_set_resolve(w.sets[0], "pods.test", &two, NULL, 1) > 0);
	expect(&w, 0);
}

static void
test_a_rollout(void **state)
{
	struct world w;

	(void)state;
	make(&w);
	w.rollout = (struct rollout_view){.id = 1,
	    .strategy = "canary",
	    .from = "v1",
	    .to = "v2",
	    .phase = ROLLOUT_PAUSED,
	    .step = 2,
	    .steps = 3};
	expect(&w, 0);
	make(&w);
	w.rollout = (struct rollout_view){.strategy = "rolling",
	    .from = "v1",
	    .to = "v2",
	    .phase = ROLLOUT_STARTING};
	w.running = true;
	expect(&w, 1, "rollout|shop|v2|-|-|rolling v1 -> v2, starting");
	make(&w);
	w.rollout = (struct rollout_view){.strategy = "canary",
	    .from = "v1",
	    .to = "v2",
	    .phase = ROLLOUT_PAUSED,
	    .step = 2,
	    .steps = 3};
	w.running = true;
	w.versions[0].weight = 95 * WEIGHT_ONE;
	w.versions[1].weight = 5 * WEIGHT_ONE;
	expect(&w, 3,
	    "rollout|shop|v2|-|-|canary v1 -> v2, paused, step 2 of 3",
	    "weight|shop|v1|-|80%|95%", "weight|shop|v2|-|20%|5%");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_same),
	    cmocka_unit_test(test_sets_that_nobody_touched_may_be_missing),
	    cmocka_unit_test(test_stable_and_weights),
	    cmocka_unit_test(test_other_weights_of_the_same_shares),
	    cmocka_unit_test(test_the_smallest_weight),
	    cmocka_unit_test(test_closed),
	    cmocka_unit_test(test_a_service_that_the_file_no_longer_has),
	    cmocka_unit_test(test_pods),
	    cmocka_unit_test(test_a_removed_pod_drains),
	    cmocka_unit_test(test_pods_of_names),
	    cmocka_unit_test(test_a_rollout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
