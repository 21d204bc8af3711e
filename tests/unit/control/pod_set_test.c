/* Which pods a version has, as a table of file, people and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/pod_set.h"

#define MANY 10000u

static struct address
at(unsigned port)
{
	char text[32];
	struct address a;

	snprintf(text, sizeof text, "127.0.0.1:%u", port);
	assert_true(address_parse(span_of(text), &a));
	return a;
}

/* "1 2 3" to addresses; as many as there are. */
static size_t
parse(const char *ports, struct address *list)
{
	size_t n = 0;
	char *end;

	for (; *ports != '\0'; ports = end) {
		list[n++] = at((unsigned)strtoul(ports, &end, 10));
		while (*end == ' ')
			end++;
	}
	return n;
}

/* "1 2- 3*5": a pod that leaves has -, one in maint =, a weight *. */
static const char *
words(const struct pod_spec *list, size_t n)
{
	static char buf[256];
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		used += (size_t)snprintf(buf + used, sizeof buf - used,
		    "%s%s%s", i > 0 ? " " : "",
		    strrchr(list[i].address.text, ':') + 1,
		    list[i].order == POD_ORDER_DRAIN   ? "-"
		    : list[i].order == POD_ORDER_MAINT ? "="
						       : "");
		if (list[i].weight != 1)
			used += (size_t)snprintf(buf + used, sizeof buf - used,
			    "*%u", list[i].weight);
	}
	return buf;
}

static void
expect_now(const struct pod_set *s, const char *expected)
{
	size_t n;
	struct pod_spec *list = pod_set_now(s, &n);

	assert_string_equal(words(list, n), expected);
	free(list);
}

static void
expect_list(const struct pod_set *s, const char *file, const char *expected)
{
	struct address filed[16];
	size_t n, nfiled = parse(file, filed);
	struct pod_spec *list = pod_set_list(s, filed, NULL, nfiled, &n);

	assert_string_equal(words(list, n), expected);
	free(list);
}

static void
file_has(struct pod_set *s, const char *ports)
{
	struct address filed[16];
	size_t n = parse(ports, filed);

	assert_int_equal(pod_set_file(s, filed, NULL, n), 0);
}

static int
resolves(struct pod_set *s, const char *name, const char *ports)
{
	struct address list[16];

	return pod_set_resolve(s, name, list, NULL, parse(ports, list));
}

static struct pod_member *
member(struct pod_set *s, unsigned port)
{
	struct address a = at(port);

	return pod_set_find(s, &a);
}

/* It has drained. */
static void
gone(struct pod_set *s, unsigned port)
{
	member(s, port)->leaving = false;
	pod_set_tidy(s);
}

static void
add(struct pod_set *s, unsigned port, uint16_t weight)
{
	struct address a = at(port);
	struct pod_member *m = pod_set_get(s, &a);

	m->added = true;
	m->added_weight = weight;
}

static void
test_file_and_people(void **state)
{
	struct pod_set *s = pod_set_new("shop", "v1");

	(void)state;
	assert_string_equal(pod_set_service(s), "shop");
	assert_string_equal(pod_set_version(s), "v1");
	expect_now(s, "");
	expect_list(s, "1 2", "1 2");
	file_has(s, "1 2 3");
	expect_now(s, "1 2 3");
	add(s, 9, 5);
	member(s, 2)->removed = true;
	member(s, 3)->order = POD_ORDER_MAINT;
	expect_now(s, "1 3= 9*5");
	assert_true(pod_member_kept(member(s, 9)));
	assert_true(pod_member_kept(member(s, 2)));
	assert_true(pod_member_kept(member(s, 3)));
	assert_false(pod_member_kept(member(s, 1)));

	/* The same file changes nothing, in another order only the order. */
	file_has(s, "3 2 1");
	expect_now(s, "3= 1 9*5");
	/* What the next file would make of it is asked without harm. */
	expect_list(s, "9 2 4", "9 4 3- 1-");
	expect_list(s, "", "3- 1- 9*5");
	expect_now(s, "3= 1 9*5");
	/* The file takes over what was added, with its own weight. */
	file_has(s, "1 2 9");
	expect_now(s, "1 9 3-");
	assert_false(pod_member_kept(member(s, 9)));
	/* What it has no longer leaves, and what people did to it is void. */
	assert_false(pod_member_kept(member(s, 3)));
	gone(s, 3);
	assert_null(member(s, 3));
	/* What had been taken from there is forgotten at once. */
	file_has(s, "1");
	expect_now(s, "1 9-");
	assert_null(member(s, 2));
	/* Another file takes nobody back who leaves, unless it has it. */
	file_has(s, "1 2 3");
	expect_now(s, "1 2 3 9-");
	file_has(s, "9");
	expect_now(s, "9 1- 2- 3-");
	pod_set_free(s);
	pod_set_free(NULL);
}

static void
test_leaving(void **state)
{
	struct pod_set *s = pod_set_new("shop", "v1");

	(void)state;
	file_has(s, "1 2");
	member(s, 2)->removed = member(s, 2)->leaving = true;
	expect_now(s, "1 2-");
	/* A reload meanwhile does not cut it short, nor bring it back. */
	expect_list(s, "1 2 3", "1 2- 3");
	file_has(s, "1 2 3");
	expect_now(s, "1 2- 3");
	gone(s, 2);
	expect_now(s, "1 3");
	assert_true(member(s, 2)->removed);
	/* One that only people gave, and took, comes with the file again. */
	add(s, 7, 1);
	member(s, 7)->added = false;
	member(s, 7)->leaving = true;
	expect_now(s, "1 3 7-");
	expect_list(s, "1 7", "1 7 3-");
	file_has(s, "1 7");
	expect_now(s, "1 7 3-");
	assert_false(member(s, 7)->leaving);
	pod_set_free(s);
}

static void
test_names(void **state)
{
	struct pod_set *s = pod_set_new("shop", "v1");

	(void)state;
	file_has(s, "1");
	assert_int_equal(resolves(s, "a", "1 5 6 5"), 1);
	expect_now(s, "1 5 6");
	assert_int_equal(resolves(s, "a", "6 5 1"), 0);
	assert_int_equal(resolves(s, "b", "6 7"), 1);
	expect_now(s, "1 5 6 7");
	/* It stays as long as somebody gives it. */
	assert_int_equal(resolves(s, "a", "5"), 0);
	expect_now(s, "1 5 6 7");
	assert_int_equal(resolves(s, "b", ""), 1);
	expect_now(s, "1 5 6- 7-");
	assert_int_equal(pod_member_source(member(s, 1)), POD_BY_FILE);
	assert_int_equal(pod_member_source(member(s, 5)), POD_BY_NAME);
	assert_int_equal(pod_member_source(member(s, 6)), POD_BY_NAME);
	/* what another name says of it changes nothing */
	assert_int_equal(resolves(s, "a", "5"), 0);
	assert_int_equal(pod_member_source(member(s, 6)), POD_BY_NAME);
	/* And is welcome while it leaves. */
	assert_int_equal(resolves(s, "b", "7"), 1);
	expect_now(s, "1 5 6- 7");
	gone(s, 6);
	assert_null(member(s, 6));

	/* What people removed stays away while the name resolves to it. */
	member(s, 5)->removed = true;
	expect_now(s, "1 7");
	assert_int_equal(resolves(s, "a", "5 8"), 1);
	expect_now(s, "1 7 8");
	assert_int_equal(resolves(s, "a", "8"), 0);
	assert_int_equal(resolves(s, "a", "8 5"), 1);
	expect_now(s, "1 5 7 8");
	/* A reload leaves alone what names gave. */
	file_has(s, "2 5");
	expect_now(s, "2 5 1- 7 8");
	file_has(s, "");
	expect_now(s, "2- 5 1- 7 8");
	pod_set_free(s);
}

static void
test_weights_of_names(void **state)
{
	struct pod_set *s = pod_set_new("shop", "v1");
	struct address list[] = {at(1), at(2)};
	const uint16_t three[] = {3, 3}, four[] = {3, 4};

	(void)state;
	assert_int_equal(pod_set_resolve(s, "a", list, three, 2), 1);
	expect_now(s, "1*3 2*3");
	assert_int_equal(pod_set_resolve(s, "a", list, three, 2), 0);
	assert_int_equal(pod_set_resolve(s, "a", list, four, 2), 1);
	expect_now(s, "1*3 2*4");
	pod_set_free(s);
}

/* From the store: an order for an address that no name has given yet. */
static void
test_awaited(void **state)
{
	struct pod_set *s = pod_set_new("shop", "v1");
	struct address a = at(5), b = at(6), c = at(7);

	(void)state;
	pod_set_get(s, &a)->order = POD_ORDER_MAINT;
	assert_int_equal(pod_set_await(s, member(s, 5), "a"), 0);
	pod_set_get(s, &b)->removed = true;
	assert_int_equal(pod_set_await(s, member(s, 6), "a"), 0);
	/* This one was in the file, which has it no longer. */
	pod_set_get(s, &c)->removed = true;
	assert_int_equal(pod_set_await(s, member(s, 7), NULL), 0);
	expect_list(s, "1", "1");
	file_has(s, "1");
	assert_null(member(s, 7));
	assert_int_equal(resolves(s, "a", "5 6"), 1);
	expect_now(s, "1 5=");
	assert_int_equal(resolves(s, "a", ""), 1);
	pod_set_get(s, &b)->removed = true;
	assert_int_equal(pod_set_await(s, member(s, 6), "b"), 0);
	/* It has resolved to something else: nothing is awaited any more. */
	assert_int_equal(resolves(s, "b", "9"), 1);
	pod_set_tidy(s);
	assert_null(member(s, 6));
	pod_set_free(s);
}

static void
test_many(void **state)
{
	struct pod_set *s = pod_set_new("shop", "v1");
	struct address *all = calloc(MANY, sizeof *all);
	struct pod_spec *list;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		all[i] = at(1000 + i);
	assert_int_equal(pod_set_file(s, all, NULL, MANY), 0);
	assert_int_equal(pod_set_resolve(s, "a", all, NULL, MANY), 0);
	assert_int_equal(pod_set_file(s, NULL, NULL, 0), 0);
	assert_int_equal(pod_set_size(s), MANY);
	assert_int_equal(pod_set_resolve(s, "a", all, NULL, 1), 1);
	list = pod_set_now(s, &n);
	assert_int_equal(n, MANY);
	assert_int_equal(list[0].order, POD_ORDER_NONE);
	assert_int_equal(list[MANY - 1].order, POD_ORDER_DRAIN);
	free(list);
	for (unsigned i = 1; i < MANY; i++)
		pod_set_find(s, &all[i])->leaving = false;
	pod_set_tidy(s);
	assert_int_equal(pod_set_size(s), 1);
	free(all);
	pod_set_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_file_and_people),
	    cmocka_unit_test(test_leaving),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_weights_of_names),
	    cmocka_unit_test(test_awaited),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
