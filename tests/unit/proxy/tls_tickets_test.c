/* Ticket keys: the same for all who began alike, gone when their time is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/tls_tickets.h"

#define PERIOD TLS_TICKETS_PERIOD_US

static const uint8_t seed[TLS_TICKETS_SEED] = {1, 2, 3};

static void
two_workers_agree(void **state)
{
	struct tls_tickets a, b;

	(void)state;
	tls_tickets_init(&a, seed, 5 * PERIOD + 7);
	tls_tickets_init(&b, seed, 5 * PERIOD + 900);
	for (uint64_t p = 5; p < 40; p += 7) {
		const struct tls_ticket_key *k =
		    tls_tickets_now(&a, p * PERIOD);

		/* the other one is not asked in every period */
		assert_memory_equal(
		    k, tls_tickets_now(&b, p * PERIOD + 1), sizeof *k);
	}
}

static void
keys_change_with_the_period_only(void **state)
{
	struct tls_tickets t;
	struct tls_ticket_key first;

	(void)state;
	tls_tickets_init(&t, seed, 9 * PERIOD);
	first = *tls_tickets_now(&t, 9 * PERIOD);
	assert_memory_equal(
	    &first, tls_tickets_now(&t, 10 * PERIOD - 1), sizeof first);
	assert_memory_not_equal(first.name,
	    tls_tickets_now(&t, 10 * PERIOD)->name, sizeof first.name);
	assert_memory_not_equal(first.cipher,
	    tls_tickets_now(&t, 10 * PERIOD)->cipher, sizeof first.cipher);
	assert_memory_not_equal(first.cipher, first.mac, sizeof first.mac);
}

static void
a_key_is_found_for_two_more_periods(void **state)
{
	struct tls_tickets t;
	struct tls_ticket_key old;

	(void)state;
	tls_tickets_init(&t, seed, 0);
	old = *tls_tickets_now(&t, 0);
	for (uint64_t p = 0; p < TLS_TICKETS_KEPT; p++) {
		tls_tickets_now(&t, p * PERIOD);
		assert_memory_equal(
		    &old, tls_tickets_find(&t, old.name), sizeof old);
	}
	tls_tickets_now(&t, TLS_TICKETS_KEPT * PERIOD);
	assert_null(tls_tickets_find(&t, old.name));
}

static void
what_never_was_is_not_found(void **state)
{
	static const uint8_t zeros[16];
	uint8_t other[TLS_TICKETS_SEED] = {3, 2, 1};
	struct tls_tickets t, stranger;

	(void)state;
	tls_tickets_init(&t, seed, 0);
	tls_tickets_init(&stranger, other, 0);
	assert_null(tls_tickets_find(&t, zeros));
	assert_null(tls_tickets_find(&t, tls_tickets_now(&stranger, 0)->name));
}

/* What is held now does not lead back to the keys of the past. */
static void
the_past_is_wiped(void **state)
{
	struct tls_tickets t;
	struct tls_ticket_key old;
	uint8_t secret[TLS_TICKETS_SEED];
	const uint8_t *bytes = (const uint8_t *)&t;

	(void)state;
	tls_tickets_init(&t, seed, 0);
	old = *tls_tickets_now(&t, 0);
	memcpy(secret, t.secret, sizeof secret);
	tls_tickets_now(&t, TLS_TICKETS_KEPT * PERIOD);
	for (size_t i = 0; i + sizeof secret <= sizeof t; i++) {
		assert_memory_not_equal(bytes + i, secret, sizeof secret);
		assert_memory_not_equal(
		    bytes + i, old.cipher, sizeof old.cipher);
		assert_memory_not_equal(bytes + i, old.mac, sizeof old.mac);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_workers_agree),
	    cmocka_unit_test(keys_change_with_the_period_only),
	    cmocka_unit_test(a_key_is_found_for_two_more_periods),
	    cmocka_unit_test(what_never_was_is_not_found),
	    cmocka_unit_test(the_past_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
