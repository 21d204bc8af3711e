/* Connections per client address: limits, who is one client, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>

#include "proxy/client_table.h"

#define THREADS 4
#define ROUNDS	20000u
#define SHARED	3u /* addresses that all threads use */
#define LIMIT	2u
#define MANY	20000u /* distinct addresses: every shard grows */

static int
setup(void **state)
{
	*state = client_table_new();
	return *state == NULL;
}

static int
teardown(void **state)
{
	client_table_free(*state);
	return 0;
}

static int
family_of(const char *ip)
{
	return strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
}

static bool
enter(struct client_table *t, const char *ip, uint32_t limit)
{
	uint8_t address[16] = {0};

	assert_int_equal(inet_pton(family_of(ip), ip, address), 1);
	return client_table_enter(t, family_of(ip), address, limit);
}

static void
leave(struct client_table *t, const char *ip)
{
	uint8_t address[16] = {0};

	assert_int_equal(inet_pton(family_of(ip), ip, address), 1);
	client_table_leave(t, family_of(ip), address);
}

static void
test_limit(void **state)
{
	struct client_table *t = *state;

	assert_true(enter(t, "10.0.0.1", 2));
	assert_true(enter(t, "10.0.0.1", 2));
	assert_false(enter(t, "10.0.0.1", 2));
	assert_true(enter(t, "10.0.0.2", 2));
	assert_int_equal(client_table_size(t), 2);
	leave(t, "10.0.0.1");
	assert_true(enter(t, "10.0.0.1", 2));
	assert_false(enter(t, "10.0.0.1", 2));
	/* a limit that changes holds for those who come */
	assert_true(enter(t, "10.0.0.1", 3));
	assert_false(enter(t, "10.0.0.1", 1));
	for (int i = 0; i < 3; i++)
		leave(t, "10.0.0.1");
	leave(t, "10.0.0.2");
	assert_int_equal(client_table_size(t), 0);
	assert_true(enter(t, "10.0.0.1", 1));
	assert_false(enter(t, "10.0.0.1", 1));
	leave(t, "10.0.0.1");
}

static void
test_nobody_refused_is_kept(void **state)
{
	struct client_table *t = *state;

	assert_false(enter(t, "10.0.0.1", 0));
	assert_int_equal(client_table_size(t), 0);
}

/* An IPv6 client is a /64; it is no IPv4 client with the same bytes. */
static void
test_ipv6_blocks(void **state)
{
	struct client_table *t = *state;

	assert_true(enter(t, "2001:db8:0:1::1", 2));
	assert_true(enter(t, "2001:db8:0:1:ffff::2", 2));
	assert_false(enter(t, "2001:db8:0:1::3", 2));
	assert_true(enter(t, "2001:db8:0:2::1", 2));
	assert_int_equal(client_table_size(t), 2);
	leave(t, "2001:db8:0:1:ffff::2");
	assert_true(enter(t, "2001:db8:0:1::3", 2));
	assert_true(enter(t, "32.1.13.184", 1));
	assert_true(enter(t, "2001:db8::", 1));
	assert_int_equal(client_table_size(t), 4);
}

static void
test_other_families_have_no_limit(void **state)
{
	struct client_table *t = *state;
	const uint8_t none[16] = {0};

	for (int i = 0; i < 5; i++)
		assert_true(client_table_enter(t, AF_UNIX, none, 1));
	client_table_leave(t, AF_UNIX, none);
	assert_int_equal(client_table_size(t), 0);
}

static void
number_to_address(uint32_t n, uint8_t address[4])
{
	memcpy(address, &n, 4);
}

static void
test_many_addresses(void **state)
{
	struct client_table *t = *state;
	uint8_t address[4];

	for (uint32_t i = 0; i < MANY; i++) {
		number_to_address(i, address);
		assert_true(client_table_enter(t, AF_INET, address, 1));
	}
	assert_int_equal(client_table_size(t), MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		number_to_address(i, address);
		assert_false(client_table_enter(t, AF_INET, address, 1));
		client_table_leave(t, AF_INET, address);
	}
	assert_int_equal(client_table_size(t), 0);
}

struct crowd {
	struct client_table *table;
	_Atomic uint32_t inside[SHARED];
	_Atomic uint32_t entered, refused;
	_Atomic bool over; /* more were inside than the limit lets in */
};

static void *
come_and_go(void *arg)
{
	struct crowd *c = arg;
	uint8_t address[4];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t who = i % SHARED;

		number_to_address(who, address);
		if (!client_table_enter(c->table, AF_INET, address, LIMIT)) {
			atomic_fetch_add(&c->refused, 1);
			continue;
		}
		atomic_fetch_add(&c->entered, 1);
		if (atomic_fetch_add(&c->inside[who], 1) >= LIMIT)
			atomic_store(&c->over, true);
		atomic_fetch_sub(&c->inside[who], 1);
		client_table_leave(c->table, AF_INET, address);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct crowd c = {.table = *state};
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, come_and_go, &c), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(c.over);
	assert_int_equal(c.entered + c.refused, THREADS * ROUNDS);
	assert_true(c.entered > 0);
	assert_int_equal(client_table_size(c.table), 0);
}

#define WITH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH(test_limit),
	    WITH(test_nobody_refused_is_kept),
	    WITH(test_ipv6_blocks),
	    WITH(test_other_families_have_no_limit),
	    WITH(test_many_addresses),
	    WITH(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
