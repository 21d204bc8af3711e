/* Addresses to numbers: found, not found, the first of equals, many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/address_index.h"

#define MANY 20000u

static struct address
numbered(unsigned i)
{
	char text[ADDRESS_TEXT_MAX];
	struct address a;

	snprintf(text, sizeof text, "10.%u.%u.%u:%u", i >> 16 & 255,
	    i >> 8 & 255, i & 255, 1 + i % 3);
	assert_true(address_parse(span_of(text), &a));
	return a;
}

static void
test_few(void **state)
{
	struct address_index *x = address_index_new(3);
	struct address a = numbered(1), b = numbered(2), again = numbered(1);
	struct address six;

	(void)state;
	assert_true(address_parse(SPAN("[::1]:80"), &six));
	assert_int_equal(address_index_find(x, &a), ADDRESS_INDEX_NONE);
	address_index_add(x, &a, 7);
	address_index_add(x, &again, 8);
	address_index_add(x, &six, 9);
	assert_int_equal(address_index_find(x, &again), 7);
	assert_int_equal(address_index_find(x, &six), 9);
	assert_int_equal(address_index_find(x, &b), ADDRESS_INDEX_NONE);
	address_index_clear(x);
	assert_int_equal(address_index_find(x, &a), ADDRESS_INDEX_NONE);
	address_index_add(x, &b, 0);
	assert_int_equal(address_index_find(x, &b), 0);
	address_index_free(x);
}

static void
test_none(void **state)
{
	struct address_index *x = address_index_new(0);
	struct address a = numbered(1);

	(void)state;
	assert_int_equal(address_index_find(x, &a), ADDRESS_INDEX_NONE);
	address_index_free(x);
	address_index_free(NULL);
}

static void
test_many(void **state)
{
	struct address_index *x = address_index_new(MANY);
	struct address *all = calloc(MANY, sizeof *all), other;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		all[i] = numbered(i);
		address_index_add(x, &all[i], i);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(address_index_find(x, &all[i]), i);
	other = numbered(MANY);
	assert_int_equal(address_index_find(x, &other), ADDRESS_INDEX_NONE);
	address_index_free(x);
	free(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_few),
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
