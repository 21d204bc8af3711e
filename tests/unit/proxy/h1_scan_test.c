/*
 * The fast scan beside the plain one: every byte at every place of runs of
 * every length and alignment, in memory of exactly that size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/proxy/h1_scan_ref.h"

/* Two vectors and what lies around them. */
#define LENGTH_MAX 40u
#define ALIGN_MAX  16u

/* Memory that ends with the n bytes, which begin `shift` behind a boundary. */
static char *
room(size_t shift, size_t n)
{
	char *p = malloc(shift + n);

	assert_non_null(p);
	return p;
}

static void
every_byte_at(const struct ref_kind *k, char *p, size_t n, size_t at)
{
	for (unsigned c = 0; c < 256; c++) {
		p[at] = (char)c;
		if (k->scan(p, p + n) != ref_scan(k, p, p + n))
			fail_msg(
			    "%s: byte 0x%02x at %zu of %zu", k->name, c, at, n);
	}
}

static void
test_every_byte_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < REF_KINDS; i++)
		for (size_t shift = 0; shift < ALIGN_MAX; shift++)
			for (size_t n = 1; n <= LENGTH_MAX; n++) {
				char *whole = room(shift, n);

				memset(whole, 'a', shift + n);
				for (size_t at = 0; at < n; at++) {
					every_byte_at(&ref_kinds[i],
					    whole + shift, n, at);
					whole[shift + at] = 'a';
				}
				free(whole);
			}
}

/* Bytes that need a second look, but belong: the scan goes on behind them. */
static void
test_unusual_bytes_that_belong(void **state)
{
	static const char *const runs[] = {
	    "X_Custom.Field~Name!With#All$The%Marks&There*Are+",
	    "\ta\tb\tvalue\twith\ttabs\tand \xc3\xa4 \xff bytes\t\t\t\t\t\t\t",
	    "/path?q=\"a\"&b={c}|d^e`f\\g<h>~~~~~~~~~~~~~~~~~~~~~~~~~~",
	};

	(void)state;
	for (size_t i = 0; i < REF_KINDS; i++) {
		size_t n = strlen(runs[i]);

		for (size_t from = 0; from < n; from++)
			for (size_t to = from; to <= n; to++)
				assert_ptr_equal(
				    ref_kinds[i].scan(
					runs[i] + from, runs[i] + to),
				    runs[i] + to);
	}
}

static void
test_nothing_is_read_of_nothing(void **state)
{
	char *p = room(0, 1), *end = p + 1;

	(void)state;
	for (size_t i = 0; i < REF_KINDS; i++)
		assert_ptr_equal(ref_kinds[i].scan(end, end), end);
	free(p);
}

/* What is behind the end is not looked at, even when it would go on. */
static void
test_the_end_is_the_end(void **state)
{
	char bytes[64];

	(void)state;
	memset(bytes, 'a', sizeof bytes);
	for (size_t i = 0; i < REF_KINDS; i++)
		for (size_t n = 0; n < sizeof bytes; n++)
			assert_ptr_equal(
			    ref_kinds[i].scan(bytes, bytes + n), bytes + n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_byte_everywhere),
	    cmocka_unit_test(test_unusual_bytes_that_belong),
	    cmocka_unit_test(test_nothing_is_read_of_nothing),
	    cmocka_unit_test(test_the_end_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
