/* From what is known of a pod to its state and its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "router/pod.h"

static struct pod *
make(void)
{
	struct address a;
	struct pod *p;

	assert_true(address_parse(SPAN("127.0.0.1:1"), &a));
	p = pod_new(&a, 1);
	assert_non_null(p);
	return p;
}

static void
test_what_comes_first(void **state)
{
	static const struct {
		enum pod_order order;
		bool ejected;
		enum pod_state checked, follows;
	} rows[] = {
	    {POD_ORDER_NONE, false, POD_STARTING, POD_STARTING},
	    {POD_ORDER_NONE, false, POD_UP, POD_UP},
	    {POD_ORDER_NONE, false, POD_DOWN, POD_DOWN},
	    /* to be ejected it must be up */
	    {POD_ORDER_NONE, true, POD_STARTING, POD_STARTING},
	    {POD_ORDER_NONE, true, POD_UP, POD_EJECTED},
	    {POD_ORDER_NONE, true, POD_DOWN, POD_DOWN},
	    {POD_ORDER_DRAIN, false, POD_UP, POD_DRAINING},
	    {POD_ORDER_DRAIN, true, POD_DOWN, POD_DRAINING},
	    {POD_ORDER_MAINT, false, POD_STARTING, POD_MAINT},
	    {POD_ORDER_MAINT, true, POD_UP, POD_MAINT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pod *p = make();

		p->order = rows[i].order;
		p->ejected = rows[i].ejected;
		p->checked = rows[i].checked;
		assert_int_equal(
		    pod_settle(p, "why"), rows[i].follows != POD_STARTING);
		assert_int_equal(p->state, rows[i].follows);
		assert_string_equal(
		    p->reason, rows[i].follows == POD_UP ? "" : "why");
		assert_false(pod_settle(p, NULL));
		pod_drop(p);
	}
}

/* Whatever happened meanwhile: without orders it is as checks say. */
static void
test_order_ends(void **state)
{
	struct pod *p = make();

	(void)state;
	p->order = POD_ORDER_DRAIN;
	assert_true(pod_settle(p, "drained by hand"));
	p->checked = POD_UP;
	assert_false(pod_settle(p, NULL));
	assert_string_equal(p->reason, "drained by hand");
	p->order = POD_ORDER_NONE;
	assert_true(pod_settle(p, NULL));
	assert_int_equal(p->state, POD_UP);
	assert_string_equal(p->reason, "");
	pod_drop(p);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(pod_state_name(POD_STARTING), "starting");
	assert_string_equal(pod_state_name(POD_UP), "up");
	assert_string_equal(pod_state_name(POD_DOWN), "down");
	assert_string_equal(pod_state_name(POD_EJECTED), "ejected");
	assert_string_equal(pod_state_name(POD_DRAINING), "draining");
	assert_string_equal(pod_state_name(POD_MAINT), "maint");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_comes_first),
	    cmocka_unit_test(test_order_ends),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
