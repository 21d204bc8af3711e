/* Frame buffers: one slot per session, given back, reused, grown out of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/h2_memory.h"

#define BUFFER 16394u /* what nghttp2 asks for */
#define MANY   200u   /* more than a slab holds */

/* Pages of the buffer that are in memory. */
static unsigned
resident(const void *at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = BUFFER / page + 1;
	unsigned char in[8] = {0};
	unsigned count = 0;

	assert_true(n <= sizeof in);
	assert_int_equal((uintptr_t)at % page, 0);
	assert_int_equal(mincore((void *)(uintptr_t)at, n * page, in), 0);
	for (size_t i = 0; i < n; i++)
		count += in[i] & 1;
	return count;
}

static void
untouched_pages_cost_nothing(void **state)
{
	struct h2_memory m = {0};
	struct h2_pages p = {.memory = &m};
	char *at = h2_pages_realloc(NULL, BUFFER, &p);

	(void)state;
	assert_non_null(at);
	at[0] = 'x';
	assert_int_equal(resident(at), 1);
	h2_pages_trim(&p);
	assert_int_equal(resident(at), 0);
	memset(at, 'y', BUFFER);
	assert_int_equal(at[BUFFER - 1], 'y');
	h2_pages_free(at, &p);
	h2_memory_fini(&m);
}

static void
small_and_second_ones_are_ordinary(void **state)
{
	struct h2_memory m = {0};
	struct h2_pages p = {.memory = &m};
	char *small = h2_pages_malloc(100, &p);
	char *first = h2_pages_malloc(BUFFER, &p);
	char *second = h2_pages_malloc(BUFFER, &p);
	char *table = h2_pages_calloc(10, BUFFER, &p);

	(void)state;
	assert_ptr_equal(first, p.slot);
	assert_ptr_not_equal(second, first);
	second[0] = 'x';
	h2_pages_trim(&p);
	assert_int_equal(second[0], 'x');
	assert_int_equal(table[10 * BUFFER - 1], 0);
	h2_pages_free(small, &p);
	h2_pages_free(first, &p);
	h2_pages_free(second, &p);
	h2_pages_free(table, &p);
	h2_pages_free(NULL, &p);
	h2_memory_fini(&m);
}

static void
a_buffer_may_grow(void **state)
{
	struct h2_memory m = {0};
	struct h2_pages p = {.memory = &m};
	char *at = h2_pages_malloc(BUFFER, &p), *grown;

	(void)state;
	memset(at, 'a', BUFFER);
	assert_ptr_equal(h2_pages_realloc(at, BUFFER + 100, &p), at);
	grown = h2_pages_realloc(at, 4 * BUFFER, &p);
	assert_null(p.slot);
	for (unsigned i = 0; i < BUFFER; i++)
		assert_int_equal(grown[i], 'a');
	h2_pages_free(grown, &p);
	h2_memory_fini(&m);
}

static void
many_sessions_share_slabs(void **state)
{
	struct h2_memory m = {0};
	struct h2_pages p[MANY] = {{0}};
	char *at[MANY];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = round; i < MANY; i++) {
			p[i].memory = &m;
			at[i] = h2_pages_malloc(BUFFER, &p[i]);
			memset(at[i], (int)i, BUFFER);
		}
		for (unsigned i = round; i < MANY; i++) {
			assert_int_equal((unsigned char)at[i][0], i);
			assert_int_equal((unsigned char)at[i][BUFFER - 1], i);
		}
		for (unsigned i = MANY; i-- > round + 1;)
			h2_pages_free(at[i], &p[i]);
	}
	for (unsigned i = 0; i < 3; i++) /* one was left in each round */
		h2_pages_free(at[i], &p[i]);
	assert_null(m.slabs);
	h2_memory_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(untouched_pages_cost_nothing),
	    cmocka_unit_test(small_and_second_ones_are_ordinary),
	    cmocka_unit_test(a_buffer_may_grow),
	    cmocka_unit_test(many_sessions_share_slabs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
