/* Two answers that come in pieces, and whether they are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/shadow.h"

#define BODY_MAX 70u

/* All of it in pieces of n bytes, but n, n + 1, ... with `growing`. */
static void
saw(struct shadow_answer *a, const char *body, size_t size, size_t n,
    bool growing)
{
	for (size_t i = 0; i < size; i += n - growing) {
		size_t left = size - i;

		shadow_saw(a, (struct span){body + i, left < n ? left : n});
		n += growing;
	}
	a->bytes = size;
	a->whole = true;
}

static enum shadow_verdict
compare(const struct shadow_answer *real, const struct shadow_answer *copy)
{
	struct shadow *s = shadow_new();
	enum shadow_verdict v;

	assert_non_null(s);
	s->holders = 1;
	s->answers[SHADOW_REAL] = *real;
	s->answers[SHADOW_COPY] = *copy;
	v = shadow_compare(s);
	shadow_drop(s);
	return v;
}

static void
fill(char *body, size_t size)
{
	for (size_t i = 0; i < size; i++)
		body[i] = (char)(i * 37 + 11);
}

static void
test_pieces_do_not_matter(void **state)
{
	char body[BODY_MAX];

	(void)state;
	fill(body, sizeof body);
	for (size_t size = 0; size <= sizeof body; size++) {
		struct shadow_answer whole = {.status = 200};

		saw(&whole, body, size, sizeof body, false);
		for (size_t n = 1; n <= 20; n++) {
			struct shadow_answer a = {.status = 200}, b = a;

			saw(&a, body, size, n, false);
			assert_int_equal(compare(&whole, &a), SHADOW_SAME);
			saw(&b, body, size, n, true);
			assert_int_equal(compare(&b, &a), SHADOW_SAME);
		}
	}
}

static void
test_every_bit_matters(void **state)
{
	char body[BODY_MAX];

	(void)state;
	fill(body, sizeof body);
	for (size_t size = 1; size <= sizeof body; size++) {
		struct shadow_answer real = {.status = 200};

		saw(&real, body, size, 16, false);
		for (size_t bit = 0; bit < size * 8; bit++) {
			struct shadow_answer copy = {.status = 200};

			body[bit / 8] ^= (char)(1 << bit % 8);
			saw(&copy, body, size, 7, false);
			assert_int_equal(
			    compare(&real, &copy), SHADOW_OTHER_BODY);
			body[bit / 8] ^= (char)(1 << bit % 8);
		}
	}
}

static void
test_order_and_length_matter(void **state)
{
	struct shadow_answer a = {.status = 200}, b = a, c = a, zeros = a;
	const char zero[16] = {0};

	(void)state;
	saw(&a, "01234567abcdefgh", 16, 16, false);
	saw(&b, "abcdefgh01234567", 16, 16, false);
	saw(&c, "01234567abcdefg", 15, 15, false);
	assert_int_equal(compare(&a, &b), SHADOW_OTHER_BODY);
	assert_int_equal(compare(&a, &c), SHADOW_OTHER_BODY);
	saw(&b, zero, sizeof zero, 16, false);
	saw(&zeros, zero, 8, 8, false);
	assert_int_equal(compare(&zeros, &c), SHADOW_OTHER_BODY);
}

static void
test_what_was_not_seen_counts_by_length(void **state)
{
	struct shadow_answer seen = {.status = 200}, spliced, longer;

	(void)state;
	saw(&seen, "0123456789", 10, 3, false);
	spliced =
	    (struct shadow_answer){.status = 200, .whole = true, .bytes = 10};
	longer = spliced;
	longer.bytes++;
	assert_int_equal(compare(&spliced, &seen), SHADOW_SAME);
	assert_int_equal(compare(&seen, &spliced), SHADOW_SAME);
	assert_int_equal(compare(&spliced, &spliced), SHADOW_SAME);
	assert_int_equal(compare(&longer, &seen), SHADOW_OTHER_BODY);
	shadow_saw(&spliced, SPAN("x")); /* a part of it */
	assert_int_equal(compare(&spliced, &seen), SHADOW_SAME);
}

static void
test_status_comes_first(void **state)
{
	struct shadow_answer ok = {.status = 200}, error = {.status = 500};

	(void)state;
	assert_int_equal(compare(&ok, &error), SHADOW_OPEN);
	saw(&ok, "same", 4, 4, false);
	assert_int_equal(compare(&ok, &error), SHADOW_OPEN);
	assert_int_equal(compare(&error, &ok), SHADOW_OPEN);
	saw(&error, "same", 4, 4, false);
	assert_int_equal(compare(&ok, &error), SHADOW_OTHER_STATUS);
	saw(&error, "more", 4, 4, false);
	assert_int_equal(compare(&ok, &error), SHADOW_OTHER_STATUS);
}

/* The memory checkers see whether the last one frees it, and nobody before. */
static void
test_two_holders(void **state)
{
	struct shadow *s = shadow_new();

	(void)state;
	assert_non_null(s);
	s->holders = 2;
	shadow_drop(s);
	assert_int_equal(s->magic, SHADOW_MAGIC);
	shadow_drop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces_do_not_matter),
	    cmocka_unit_test(test_every_bit_matters),
	    cmocka_unit_test(test_order_and_length_matter),
	    cmocka_unit_test(test_what_was_not_seen_counts_by_length),
	    cmocka_unit_test(test_status_comes_first),
	    cmocka_unit_test(test_two_holders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
