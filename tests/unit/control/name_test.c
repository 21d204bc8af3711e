/* Rounds of questions about a name: what follows, and when the next is due. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "conf/settings.h"
#include "control/name.h"
#include "router/spec.h"

#define SECOND 1000000u

static const struct resolver_settings settings = {
    .family = DNS_FAMILY_BOTH,
    .min_ttl_ms = 1000,
    .max_ttl_ms = 60000,
    .backoff_ms = 1000,
    .max_backoff_ms = 30000,
    .empty_ms = DNS_EMPTY_KEPT,
};

/* What a question is answered; text is "10.0.0.1 10.0.0.2", or of SRV
 * "priority weight port target, ...". */
struct row {
	const char *host;
	enum dns_type type;
	enum dns_outcome outcome;
	uint32_t ttl;
	const char *text;
};

static void
fill_ips(struct dns_answer *a, const char *text)
{
	char copy[256], *rest = copy, *ip;

	snprintf(copy, sizeof copy, "%s", text);
	while ((ip = strsep(&rest, " ")) != NULL) {
		struct address address;
		char with_port[300];

		snprintf(with_port, sizeof with_port,
		    a->type == DNS_A ? "%s:1" : "[%s]:1", ip);
		assert_true(address_parse(span_of(with_port), &address));
		if (a->type == DNS_A)
			memcpy(a->records[a->n++].ip,
			    &((struct sockaddr_in *)&address.sa)->sin_addr, 4);
		else
			memcpy(a->records[a->n++].ip,
			    &((struct sockaddr_in6 *)&address.sa)->sin6_addr,
			    16);
	}
}

static void
fill_srv(struct dns_answer *a, const char *text)
{
	char copy[256], *rest = copy, *one;

	snprintf(copy, sizeof copy, "%s", text);
	while ((one = strsep(&rest, ",")) != NULL) {
		struct dns_srv *s = calloc(1, sizeof *s);

		/* a target of "." is none here */
		assert_true(sscanf(one, "%hu %hu %hu %200s", &s->priority,
				&s->weight, &s->port, s->target) >= 3);
		a->records[a->n++].srv = s;
	}
}

static void
answer(struct name *n, const struct name_question *q, const struct row *r)
{
	struct dns_answer a = {.type = q->type, .ttl = r->ttl};

	a.records = calloc(16, sizeof *a.records);
	if (r->text != NULL && q->type == DNS_SRV)
		fill_srv(&a, r->text);
	else if (r->text != NULL)
		fill_ips(&a, r->text);
	name_answer(n, q->number, r->outcome, &a);
	dns_answer_clear(&a);
}

/* A whole round; each question must be one of the rows, each row is asked. */
static bool
play(struct name *n, uint64_t now_us, const struct row *rows, size_t nrows)
{
	struct name_question q;
	size_t asked = 0;

	assert_int_equal(name_begin(n), 0);
	for (; name_next(n, &q); asked++) {
		size_t i = 0;

		while (i < nrows && (strcmp(rows[i].host, q.host) != 0 ||
					rows[i].type != q.type))
			i++;
		assert_true(i < nrows);
		answer(n, &q, &rows[i]);
	}
	assert_int_equal(asked, nrows);
	return name_end(n, now_us, 0);
}

#define PLAY(n, at, ...)                                                  \
	play(n, (uint64_t)(at)*SECOND, (const struct row[]){__VA_ARGS__}, \
	    sizeof((const struct row[]){__VA_ARGS__}) / sizeof(struct row))

/* "address=weight ..." */
static void
assert_gives(const struct name *n, const char *expected)
{
	const struct address *list;
	const uint16_t *weights;
	size_t count = name_addresses(n, &list, &weights), used = 0;
	char text[1024] = "";

	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used,
		    "%s%s=%u", i > 0 ? " " : "", list[i].text, weights[i]);
	assert_string_equal(text, expected);
}

static struct name *
make(const char *host, uint16_t port, const struct resolver_settings *s)
{
	struct pod_name as = {.text = (char *)"as written",
	    .host = (char *)host,
	    .port = port,
	    .weight = 3};
	struct name *n = name_new(&as, s);

	assert_non_null(n);
	return n;
}

static void
test_both_families(void **state)
{
	struct name *n = make("a", 80, &settings);

	(void)state;
	assert_true(PLAY(n, 1, {"a", DNS_A, DNS_OK, 20, "10.0.0.2 10.0.0.1"},
	    {"a", DNS_AAAA, DNS_OK, 10, "fd00::1"}));
	assert_gives(n, "10.0.0.1:80=3 10.0.0.2:80=3 [fd00::1]:80=3");
	assert_int_equal(name_state(n), NAME_GOOD);
	assert_int_equal(name_good_us(n), SECOND);
	assert_int_equal(name_due_us(n), 11 * SECOND);
	assert_string_equal(name_problem(n), "");
	/* one has none: fine, as long as the other one has */
	assert_false(PLAY(n, 2, {"a", DNS_A, DNS_OK, 5, "10.0.0.1"},
	    {"a", DNS_AAAA, DNS_EMPTY, 0, NULL}));
	assert_gives(n, "10.0.0.1:80=3");
	assert_int_equal(name_due_us(n), 7 * SECOND);
	name_free(n);
}

static void
test_failures(void **state)
{
	struct name *n = make("a", 80, &settings);

	(void)state;
	PLAY(n, 1, {"a", DNS_A, DNS_OK, 20, "10.0.0.1"},
	    {"a", DNS_AAAA, DNS_OK, 20, "fd00::1"});
	/* what one of them gave stays while it fails */
	assert_true(PLAY(n, 2, {"a", DNS_A, DNS_OK, 40, "10.0.0.2"},
	    {"a", DNS_AAAA, DNS_SERVFAIL, 0, NULL}));
	assert_gives(n, "10.0.0.2:80=3 [fd00::1]:80=3");
	assert_int_equal(name_state(n), NAME_FAILING);
	assert_string_equal(
	    name_problem(n), "AAAA of a: the name server failed (SERVFAIL)");
	assert_int_equal(name_good_us(n), SECOND);
	assert_int_equal(name_due_us(n), 2 * SECOND + SECOND / 2);
	/* the same again is no news */
	assert_false(PLAY(n, 3, {"a", DNS_A, DNS_OK, 40, "10.0.0.2"},
	    {"a", DNS_AAAA, DNS_SERVFAIL, 0, NULL}));
	assert_gives(n, "10.0.0.2:80=3 [fd00::1]:80=3");
	/* neither an answer nor a failure takes all of them away */
	assert_true(PLAY(n, 4, {"a", DNS_A, DNS_NXDOMAIN, 0, NULL},
	    {"a", DNS_AAAA, DNS_TIMEOUT, 0, NULL}));
	assert_true(PLAY(n, 5, {"a", DNS_A, DNS_NXDOMAIN, 0, NULL},
	    {"a", DNS_AAAA, DNS_NXDOMAIN, 0, NULL}));
	assert_int_equal(name_state(n), NAME_EMPTY);
	assert_gives(n, "10.0.0.2:80=3 [fd00::1]:80=3");
	assert_true(PLAY(n, 6, {"a", DNS_A, DNS_OK, 20, "10.0.0.1"},
	    {"a", DNS_AAAA, DNS_EMPTY, 0, NULL}));
	assert_gives(n, "10.0.0.1:80=3");
	name_free(n);
}

static void
test_empty_counts_after_a_while(void **state)
{
	struct resolver_settings s = settings;
	const struct row none = {"a", DNS_A, DNS_NXDOMAIN, 0, NULL};
	struct name *n;

	(void)state;
	s.empty_ms = 3000;
	s.family = DNS_FAMILY_IPV4;
	n = make("a", 80, &s);
	PLAY(n, 1, {"a", DNS_A, DNS_OK, 20, "10.0.0.1"});
	for (int at = 10; at < 13; at++) {
		play(n, (uint64_t)at * SECOND, &none, 1);
		assert_gives(n, "10.0.0.1:80=3");
		assert_true(name_due_us(n) <= 13 * SECOND);
	}
	/* a failure in between: from the beginning */
	PLAY(n, 13, {"a", DNS_A, DNS_TIMEOUT, 0, NULL});
	play(n, 14 * SECOND, &none, 1);
	assert_gives(n, "10.0.0.1:80=3");
	play(n, 17 * SECOND, &none, 1);
	assert_gives(n, "");
	assert_int_equal(name_state(n), NAME_EMPTY);
	name_free(n);
	/* at once */
	s.empty_ms = 0;
	n = make("a", 80, &s);
	PLAY(n, 1, {"a", DNS_A, DNS_OK, 20, "10.0.0.1"});
	play(n, 2 * SECOND, &none, 1);
	assert_gives(n, "");
	name_free(n);
}

static void
test_srv(void **state)
{
	struct resolver_settings s = settings;
	struct name *n;

	(void)state;
	s.family = DNS_FAMILY_IPV4;
	n = make("s", 0, &s);
	/* the lowest priority; a host is asked for once, whatever its ports */
	PLAY(n, 1,
	    {"s", DNS_SRV, DNS_OK, 30, "1 10 81 x,1 20 82 x,1 0 81 y,2 9 83 z"},
	    {"x", DNS_A, DNS_OK, 20, "10.0.0.1"},
	    {"y", DNS_A, DNS_OK, 20, "10.0.0.2 10.0.0.3"});
	assert_gives(
	    n, "10.0.0.1:81=10 10.0.0.2:81=1 10.0.0.3:81=1 10.0.0.1:82=20");
	assert_int_equal(name_state(n), NAME_GOOD);
	/* weights in proportion */
	PLAY(n, 2, {"s", DNS_SRV, DNS_OK, 30, "1 65535 81 x,1 6554 81 y"},
	    {"x", DNS_A, DNS_OK, 20, "10.0.0.1"},
	    {"y", DNS_A, DNS_OK, 20, "10.0.0.2"});
	assert_gives(n, "10.0.0.1:81=1000 10.0.0.2:81=100");
	/* while SRV fails, the hosts of before are asked for */
	PLAY(n, 3, {"s", DNS_SRV, DNS_REFUSED, 0, NULL},
	    {"x", DNS_A, DNS_OK, 20, "10.0.0.9"},
	    {"y", DNS_A, DNS_TIMEOUT, 0, NULL});
	assert_int_equal(name_state(n), NAME_FAILING);
	assert_gives(n, "10.0.0.2:81=100 10.0.0.9:81=1000");
	/* a host without addresses gives none; ports of 0 are no ports */
	PLAY(n, 4, {"s", DNS_SRV, DNS_OK, 30, "1 5 81 x,1 5 81 y,0 1 0 q"},
	    {"x", DNS_A, DNS_NXDOMAIN, 20, NULL},
	    {"y", DNS_A, DNS_OK, 20, "10.0.0.2"});
	assert_gives(n, "10.0.0.2:81=5");
	/* "." */
	PLAY(n, 5, {"s", DNS_SRV, DNS_OK, 30, "0 0 0"});
	assert_int_equal(name_state(n), NAME_EMPTY);
	assert_gives(n, "10.0.0.2:81=5");
	name_free(n);
}

static void
test_cut_and_duplicates(void **state)
{
	struct resolver_settings s = settings;
	struct dns_answer a = {.type = DNS_A, .ttl = 9};
	struct name_question q;
	struct name *n;

	(void)state;
	s.family = DNS_FAMILY_IPV4;
	n = make("a", 80, &s);
	PLAY(n, 1,
	    {"a", DNS_A, DNS_OK, 9, "10.0.0.1 10.0.0.1 0.0.0.0 224.0.0.1"});
	assert_gives(n, "10.0.0.1:80=3");
	assert_false(name_cut(n));
	a.records = calloc(NAME_ADDRESSES_MAX + 1, sizeof *a.records);
	for (; a.n <= NAME_ADDRESSES_MAX; a.n++) {
		/* highest first */
		unsigned i = NAME_ADDRESSES_MAX - (unsigned)a.n;

		a.records[a.n].ip[0] = 10;
		a.records[a.n].ip[2] = (uint8_t)(i >> 8);
		a.records[a.n].ip[3] = (uint8_t)i;
	}
	assert_int_equal(name_begin(n), 0);
	assert_true(name_next(n, &q));
	name_answer(n, q.number, DNS_OK, &a);
	name_end(n, SECOND, 0);
	assert_true(name_cut(n));
	{
		const struct address *list;
		const uint16_t *weights;

		assert_int_equal(
		    name_addresses(n, &list, &weights), NAME_ADDRESSES_MAX);
		assert_string_equal(list[0].text, "10.0.0.0:80");
		assert_string_equal(
		    list[NAME_ADDRESSES_MAX - 1].text, "10.0.3.231:80");
	}
	dns_answer_clear(&a);
	name_free(n);
}

static void
test_follow(void **state)
{
	struct name *n = make("a", 80, &settings);
	struct resolver_settings s = settings;
	struct pod_name as = {.text = (char *)"as written",
	    .host = (char *)"a",
	    .port = 80,
	    .weight = 8};

	(void)state;
	PLAY(n, 1, {"a", DNS_A, DNS_OK, 20, "10.0.0.1"},
	    {"a", DNS_AAAA, DNS_EMPTY, 0, NULL});
	s.family = DNS_FAMILY_IPV6;
	name_follow(n, &as, &s);
	assert_gives(n, "10.0.0.1:80=8");
	PLAY(n, 2, {"a", DNS_AAAA, DNS_OK, 20, "fd00::1"});
	assert_gives(n, "[fd00::1]:80=8");
	name_free(n);
}

static void
test_waits(void **state)
{
	const uint32_t most = UINT32_MAX;

	(void)state;
	/* the TTL between its bounds, up to a twentieth later */
	assert_int_equal(name_wait_good_us(&settings, 0, 0), SECOND);
	assert_int_equal(name_wait_good_us(&settings, 5, 0), 5 * SECOND);
	assert_int_equal(name_wait_good_us(&settings, 60, 0), 60 * SECOND);
	assert_int_equal(
	    name_wait_good_us(&settings, UINT32_MAX, 0), 60 * SECOND);
	assert_true(name_wait_good_us(&settings, 60, most) <= 63 * SECOND);
	assert_true(name_wait_good_us(&settings, 60, most) > 62 * SECOND);
	/* half of 1 2 4 8 16 30 30 30 ... to the whole */
	for (unsigned i = 1; i < 1000; i++) {
		uint64_t whole =
		    i < 6 ? (uint64_t)SECOND << (i - 1) : 30 * (uint64_t)SECOND;

		assert_int_equal(
		    name_wait_failed_us(&settings, i, 0), whole / 2);
		assert_true(
		    name_wait_failed_us(&settings, i, most) >= whole - 1 &&
		    name_wait_failed_us(&settings, i, most) <= whole);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_families),
	    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_empty_counts_after_a_while),
	    cmocka_unit_test(test_srv),
	    cmocka_unit_test(test_cut_and_duplicates),
	    cmocka_unit_test(test_follow),
	    cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
