/* Pieces that do not overlap, the limit, and starting over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/arena.h"

#define MAX    (64u * 1024)
#define PIECES 300u

static alignas(max_align_t) char first[1024];

/* Every piece keeps what was written into it while others follow. */
static void
check_pieces(struct arena *a)
{
	struct {
		unsigned char *p;
		size_t n;
	} pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		pieces[i].n = i * 7 % 200;
		pieces[i].p = arena_alloc(a, pieces[i].n);
		assert_non_null(pieces[i].p);
		assert_int_equal(
		    (uintptr_t)pieces[i].p % alignof(max_align_t), 0);
		memset(pieces[i].p, (int)(i & 0xff), pieces[i].n);
	}
	for (size_t i = 0; i < PIECES; i++)
		for (size_t j = 0; j < pieces[i].n; j++)
			assert_int_equal(pieces[i].p[j], i & 0xff);
	assert_false(a->overflow);
	assert_true(a->used <= a->max);
}

static void
test_pieces(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, first, sizeof first, MAX);
	for (int round = 0; round < 3; round++) {
		check_pieces(&a);
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
	arena_init(&a, NULL, 0, MAX);
	check_pieces(&a);
	arena_reset(&a);
}

#ifdef ARENA_MALLOC
#define FIRST_COMES_FIRST 0
#else
#define FIRST_COMES_FIRST 1
#endif

static void
test_first_block(void **state)
{
	struct arena a;
	char *p;

	(void)state;
	arena_init(&a, first, sizeof first, MAX);
	p = arena_alloc(&a, 100);
	assert_int_equal(
	    p >= first && p < first + sizeof first, FIRST_COMES_FIRST);
	p = arena_alloc(&a, sizeof first);
	assert_false(p >= first && p < first + sizeof first);
	arena_reset(&a);
}

static void
test_big_pieces(void **state)
{
	struct arena a;
	char *p;

	(void)state;
	arena_init(&a, first, sizeof first, MAX);
	p = arena_alloc(&a, MAX);
	assert_non_null(p);
	memset(p, 1, MAX);
	assert_null(arena_alloc(&a, 1));
	arena_reset(&a);
}

static void
test_overflow_is_sticky(void **state)
{
	struct arena a;
	struct span s;

	(void)state;
	arena_init(&a, first, sizeof first, 1000);
	assert_non_null(arena_alloc(&a, 900));
	assert_null(arena_alloc(&a, 900));
	assert_true(a.overflow);
	/* This one would have fitted. */
	assert_null(arena_alloc(&a, 1));
	s = arena_copy(&a, SPAN("x"));
	assert_null(s.p);
	assert_int_equal(s.n, 0);
	arena_reset(&a);
	assert_false(a.overflow);
	assert_non_null(arena_alloc(&a, 1000));
	arena_reset(&a);
	/* No size makes the sum wrap around. */
	assert_non_null(arena_alloc(&a, 10));
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_reset(&a);
	assert_null(arena_alloc(&a, SIZE_MAX - 8));
	arena_reset(&a);
}

static void
test_limit_counts_every_piece(void **state)
{
	struct arena a;
	size_t n = 0;

	(void)state;
	arena_init(&a, NULL, 0, 4096);
	while (arena_alloc(&a, 1) != NULL)
		n++;
	assert_int_equal(n, 4096 / alignof(max_align_t));
	arena_reset(&a);
}

static void
test_copy(void **state)
{
	struct arena a;
	char text[] = "hello";
	struct span s;

	(void)state;
	arena_init(&a, first, sizeof first, MAX);
	s = arena_copy(&a, span_of(text));
	text[0] = 'j';
	assert_true(span_eq(s, SPAN("hello")));
	s = arena_copy(&a, SPAN_NONE);
	assert_non_null(s.p);
	assert_int_equal(s.n, 0);
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_first_block),
	    cmocka_unit_test(test_big_pieces),
	    cmocka_unit_test(test_overflow_is_sticky),
	    cmocka_unit_test(test_limit_counts_every_piece),
	    cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
