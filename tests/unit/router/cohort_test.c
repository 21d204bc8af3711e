/* Places of users, and whose they are when weights change. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "make_pods.h"
#include "router/cohort.h"
#include "router/match.h"
#include "router/split.h"

#define USERS	   100000u
#define ROUNDS	   300u
#define SEEN	   400u /* users looked at in each round */
#define WHOLE	   18446744073709551616.0
#define VERSIONS_6 6

static uint64_t
place_of(const char *service, const char *user)
{
	const struct field field = {SPAN("x-user"), span_of(user), FIELD_OTHER};
	const struct request r = {.fields = &field, .nfields = 1};
	const struct cohort c = {
	    .key = {HASH_ON_HEADER, (char *)"X-User"},
	    .salt = cohort_salt(service),
	};
	uint64_t bucket;

	assert_true(cohort_bucket(&c, &r, &bucket));
	return bucket;
}

static uint64_t
place_of_user(const char *service, unsigned i)
{
	char text[24];

	snprintf(text, sizeof text, "user-%u", i);
	return place_of(service, text);
}

/* Computed by another program: replicas on any machine find the same. */
static void
test_known_places(void **state)
{
	static const struct {
		const char *service, *user;
		uint64_t bucket;
	} rows[] = {
	    {"shop", "ann", 0xdb8417345e3afff8u},
	    {"shop", "bob", 0xa42fd2aeb91b21ebu},
	    {"shop", "user-12345", 0x553d73990852da21u},
	    {"orders", "ann", 0xfb321f33148ac015u},
	    {"a-service-with.a_rather-long-name",
		"5f0c8b1e9d2a4c3f8e7b6a5d4c3b2a19", 0x4b7615c761264e2fu},
	};
	struct cohort c = {.key = {HASH_ON_CLIENT, NULL}};
	struct request four = {.family = AF_INET, .client = {127, 0, 0, 1}};
	struct request six = {
	    .family = AF_INET6, .client = {0x20, 0x01, 0x0d, 0xb8, [15] = 7}};
	uint64_t bucket;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_true(
		    place_of(rows[i].service, rows[i].user) == rows[i].bucket);
	c.salt = cohort_salt("a");
	assert_true(cohort_bucket(&c, &four, &bucket));
	assert_true(bucket == 0x22334b505ef9af47u);
	c.salt = cohort_salt("shop");
	assert_true(cohort_bucket(&c, &six, &bucket));
	assert_true(bucket == 0x80779f984034303cu);
	four.family = 0; /* not known */
	assert_false(cohort_bucket(&c, &four, &bucket));
	assert_true(bucket == 0);
}

static void
test_keys(void **state)
{
	const struct field fields[] = {
	    {SPAN("Cookie"), SPAN("a=1; b=2"), FIELD_COOKIE},
	    {SPAN("Cookie"), SPAN("uid=ann; empty="), FIELD_COOKIE},
	    {SPAN("X-Empty"), SPAN(""), FIELD_OTHER},
	};
	static const struct {
		enum hash_on on;
		const char *name;
		bool found;
	} rows[] = {
	    {HASH_ON_COOKIE, "uid", true},
	    {HASH_ON_COOKIE, "UID", false},
	    {HASH_ON_COOKIE, "empty", false},
	    {HASH_ON_COOKIE, "none", false},
	    {HASH_ON_HEADER, "X-Empty", false},
	    {HASH_ON_HEADER, "X-None", false},
	    {HASH_ON_NOTHING, NULL, false},
	};
	struct request r = {.fields = fields, .nfields = 3};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cohort c = {
		    .key = {rows[i].on, (char *)rows[i].name},
		    .salt = cohort_salt("shop"),
		};
		uint64_t bucket = 1;

		assert_int_equal(cohort_bucket(&c, &r, &bucket), rows[i].found);
		/* by the value alone, wherever it was found */
		assert_true(
		    bucket == (rows[i].found ? place_of("shop", "ann") : 0));
		assert_false(cohort_lacks_cookie(&c, &r));
		c.ttl_s = 60;
		assert_int_equal(cohort_lacks_cookie(&c, &r), !rows[i].found);
	}
}

/* Who is given a cookie stands where that will put him the next time. */
static void
test_newcomer(void **state)
{
	const struct field sent = {
	    SPAN("Cookie"), SPAN("uid=ann"), FIELD_COOKIE};
	const struct cohort c = {
	    .key = {HASH_ON_COOKIE, (char *)"uid"},
	    .salt = cohort_salt("shop"),
	    .ttl_s = 60,
	};
	struct request first = {.newcomer = SPAN("ann")};
	struct request next = {.fields = &sent, .nfields = 1};
	uint64_t a, b;

	(void)state;
	assert_true(cohort_lacks_cookie(&c, &first));
	assert_false(cohort_lacks_cookie(&c, &next));
	assert_true(cohort_bucket(&c, &first, &a));
	assert_true(cohort_bucket(&c, &next, &b));
	assert_true(a == b && a == place_of("shop", "ann"));
}

/* From where to where, in hundredths; "0 1 2" from the left. */
static void
test_layout(void **state)
{
	static const struct {
		size_t n, stable;
		uint64_t weights[VERSIONS_6];
		const char *line; /* one digit for each of ten parts */
	} rows[] = {
	    {1, 0, {7}, "0000000000"},
	    {2, 0, {90, 10}, "0000000001"},
	    {2, 1, {90, 10}, "0000000001"},
	    {2, 0, {1, 9}, "0111111111"},
	    {2, 0, {0, 1}, "1111111111"},
	    {2, 0, {1, 0}, "0000000000"},
	    {2, 1, {1, 0}, "0000000000"},
	    {3, 0, {6, 1, 3}, "2220000001"},
	    {3, 1, {6, 1, 3}, "0000002221"},
	    {3, 2, {6, 1, 3}, "0000002221"},
	    {3, 0, {0, 1, 9}, "2222222221"},
	    {4, 0, {40, 30, 20, 10}, "2200003111"},
	    {4, 1, {40, 30, 20, 10}, "0000221113"},
	    {5, 2, {1, 2, 3, 2, 2}, "0442223311"},
	    {6, 0, {4, 1, 1, 2, 1, 1}, "2400005331"},
	    {6, 5, {4, 1, 1, 2, 1, 1}, "0000245331"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (unsigned part = 0; part < 10; part++) {
			uint64_t middle = (uint64_t)((part + 0.5) / 10 * WHOLE);

			assert_int_equal(cohort_version(rows[i].weights,
					     rows[i].n, rows[i].stable, middle),
			    rows[i].line[part] - '0');
		}
}

static void
chance_weights(uint64_t *weights, size_t n)
{
	const uint64_t most = make_chance() % 3 == 0 ? WEIGHT_MAX : 100;

	for (size_t i = 0; i < n; i++)
		weights[i] =
		    make_chance() % 4 == 0 ? 0 : make_chance() % (most + 1);
	weights[make_chance() % n]++;
}

static uint64_t
sum_of(const uint64_t *weights, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += weights[i];
	return sum;
}

/* Each version has its part to the last of 2^64 places. */
static void
test_exact_borders(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t weights[VERSIONS_6], has[VERSIONS_6] = {0}, first = 0;
		size_t n = 1 + make_chance() % VERSIONS_6;
		size_t stable = make_chance() % n;
		uint64_t total;

		chance_weights(weights, n);
		total = sum_of(weights, n);
		/* part by part: the least place of which floor(p*total/2^64)
		 * is a version's border */
		for (uint64_t border = 0; border < total;) {
			size_t v = cohort_version(weights, n, stable, first);
			unsigned __int128 next;

			border += weights[v];
			has[v] += weights[v];
			assert_true(weights[v] > 0);
			next = (((unsigned __int128)border << 64) + total - 1) /
			       total;
			assert_int_equal(cohort_version(weights, n, stable,
					     (uint64_t)(next - 1)),
			    v);
			first = (uint64_t)next;
		}
		assert_true(first == 0); /* round the whole line */
		for (size_t v = 0; v < n; v++)
			assert_true(has[v] == weights[v]);
	}
}

static void
test_scale_plays_no_part(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t weights[VERSIONS_6], larger[VERSIONS_6];
		size_t n = 1 + make_chance() % VERSIONS_6;
		uint64_t factor = 2 + make_chance() % 10000;

		chance_weights(weights, n);
		for (size_t v = 0; v < n; v++)
			larger[v] = weights[v] * factor;
		for (unsigned i = 0; i < SEEN; i++) {
			uint64_t p = make_chance();

			assert_int_equal(cohort_version(weights, n, 0, p),
			    cohort_version(larger, n, 0, p));
		}
	}
}

/* Whether a's weight in the first is a smaller share than in the second. */
static bool
grows(const uint64_t *before, const uint64_t *after, size_t n, size_t v)
{
	return (unsigned __int128)before[v] * sum_of(after, n) <=
	       (unsigned __int128)after[v] * sum_of(before, n);
}

/* Who had v and does no more when its share grew, or the other way round. */
static void
assert_nested(const uint64_t *before, const uint64_t *after, size_t n,
    size_t stable_before, size_t stable_after, size_t v)
{
	bool more = grows(before, after, n, v);
	bool less = grows(after, before, n, v);

	for (unsigned i = 0; i < SEEN; i++) {
		uint64_t p = make_chance();
		bool had = cohort_version(before, n, stable_before, p) == v;
		bool has = cohort_version(after, n, stable_after, p) == v;

		if (more)
			assert_true(has || !had);
		if (less)
			assert_true(had || !has);
	}
}

/* Any change, and another stable version, too. */
static void
test_two_versions(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t before[2], after[2];

		chance_weights(before, 2);
		chance_weights(after, 2);
		for (size_t v = 0; v < 2; v++)
			assert_nested(before, after, 2, make_chance() % 2,
			    make_chance() % 2, v);
	}
}

/* An end for each of the others, or both at the left one, if 1 is stable. */
static void
test_three_versions(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t before[3], after[3];

		chance_weights(before, 3);
		chance_weights(after, 3);
		assert_nested(before, after, 3, 0, 0, 1);
		assert_nested(before, after, 3, 0, 0, 2);
		assert_nested(before, after, 3, 2, 2, 0);
		assert_nested(before, after, 3, 2, 2, 1);
		assert_nested(before, after, 3, 1, 1, 0);
	}
}

/* Under any change. */
static void
test_ends_of_many_versions(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t before[VERSIONS_6], after[VERSIONS_6];

		chance_weights(before, VERSIONS_6);
		chance_weights(after, VERSIONS_6);
		for (size_t stable = 2; stable < VERSIONS_6; stable++) {
			assert_nested(
			    before, after, VERSIONS_6, stable, stable, 0);
			assert_nested(
			    before, after, VERSIONS_6, stable, stable, 1);
		}
	}
}

/* Whether u is laid at the same end as v, but further in. */
static bool
further_in(size_t u, size_t v, size_t stable)
{
	return u != stable && u % 2 == v % 2 && u > v;
}

/*
 * What v gains stable loses, all else keeps its weight: v only wins users,
 * from stable if nobody is further in, and who is further in moves inwards.
 * What is further out, or at the other end, keeps whom it has.
 */
static void
assert_takes(const uint64_t *before, const uint64_t *after, size_t n,
    size_t stable, size_t v)
{
	for (unsigned i = 0; i < SEEN; i++) {
		uint64_t p = make_chance();
		size_t had = cohort_version(before, n, stable, p);
		size_t has = cohort_version(after, n, stable, p);

		if (had == has)
			continue;
		assert_true(had == stable || further_in(had, v, stable));
		assert_true(has == v || further_in(has, v, stable));
	}
}

static void
test_stable_gives_and_takes(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t before[VERSIONS_6], after[VERSIONS_6], moved;
		size_t n = 2 + make_chance() % (VERSIONS_6 - 1);
		size_t stable = make_chance() % n;
		size_t v = (stable + 1 + make_chance() % (n - 1)) % n;

		chance_weights(before, n);
		memcpy(after, before, sizeof before);
		moved = make_chance() % (before[stable] + 1);
		after[stable] -= moved;
		after[v] += moved;
		assert_nested(before, after, n, stable, stable, v);
		assert_nested(before, after, n, stable, stable, stable);
		assert_takes(before, after, n, stable, v);
	}
}

/* From 1 to 100 per cent and back by the same steps: the same users. */
static void
test_last_added_go_first(void **state)
{
	static const uint64_t steps[] = {1, 5, 25, 50, 100};
	const size_t nsteps = sizeof steps / sizeof steps[0];

	(void)state;
	for (unsigned i = 0; i < USERS; i++) {
		uint64_t p = place_of_user("shop", i);
		size_t up[5], joined = nsteps;

		for (size_t k = nsteps; k-- > 0;) {
			uint64_t weights[] = {100 - steps[k], steps[k]};

			up[k] = cohort_version(weights, 2, 0, p);
			if (up[k] == 1)
				joined = k;
		}
		for (size_t k = 0; k < nsteps; k++)
			assert_int_equal(up[k], k >= joined);
	}
}

static void
test_weight_0_gets_nothing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t weights[VERSIONS_6];
		size_t stable = make_chance() % VERSIONS_6;

		chance_weights(weights, VERSIONS_6);
		for (unsigned i = 0; i < SEEN; i++) {
			uint64_t p = make_chance();

			if (i < 2) /* both ends */
				p = i == 0 ? 0 : UINT64_MAX;
			assert_true(weights[cohort_version(
					weights, VERSIONS_6, stable, p)] > 0);
		}
	}
}

/* Within 4 standard errors of what is due. */
static void
assert_share(unsigned count, unsigned of, double share)
{
	double off = count - of * share;

	if (off * off > 16 * of * share * (1 - share))
		fail_msg("%u of %u, due is %g", count, of, of * share);
}

static void
test_shares_of_users(void **state)
{
	static const struct {
		size_t n;
		uint64_t weights[4];
	} rows[] = {
	    {2, {80, 20}},
	    {2, {99, 1}},
	    {2, {9999, 1}},
	    {2, {1, 1}},
	    {3, {50, 30, 20}},
	    {3, {98, 1, 1}},
	    {4, {40, 30, 20, 10}},
	    {4, {0, 1, 0, 3}},
	};
	static const char *const services[] = {"shop", "orders", "a", "b"};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		double sum = (double)sum_of(rows[i].weights, rows[i].n);
		unsigned counts[4] = {0};

		for (unsigned user = 0; user < USERS; user++)
			counts[cohort_version(rows[i].weights, rows[i].n, 0,
			    place_of_user(services[i % 4], user))]++;
		for (size_t v = 0; v < rows[i].n; v++)
			assert_share(
			    counts[v], USERS, (double)rows[i].weights[v] / sum);
	}
}

/* Addresses in a row, as a company's are. */
static void
test_shares_of_addresses(void **state)
{
	const uint64_t weights[] = {90, 10};
	const struct cohort c = {
	    .key = {HASH_ON_CLIENT, NULL},
	    .salt = cohort_salt("shop"),
	};
	unsigned counts[2][2] = {{0}};

	(void)state;
	for (unsigned i = 0; i < USERS; i++) {
		const uint8_t low[] = {
		    (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		struct request r = {
		    .family = AF_INET, .client = {10, low[0], low[1], low[2]}};
		uint64_t bucket;

		assert_true(cohort_bucket(&c, &r, &bucket));
		counts[0][cohort_version(weights, 2, 0, bucket)]++;
		r = (struct request){.family = AF_INET6,
		    .client = {0x20, 1, 0xd, 0xb8, 0, low[0], low[1], low[2]}};
		assert_true(cohort_bucket(&c, &r, &bucket));
		counts[1][cohort_version(weights, 2, 0, bucket)]++;
	}
	for (unsigned i = 0; i < 2; i++)
		assert_share(counts[i][1], USERS, 0.1);
}

#define CELLS 8u
/* Of chi-square with 49 degrees of freedom one in 10,000 is larger. */
#define CHI_MAX 94.0

/* Users by where they stand in eighths of two lines: nothing in common. */
static double
chi_square(const unsigned cells[CELLS][CELLS])
{
	const double due = USERS / (double)(CELLS * CELLS);
	double rows[CELLS] = {0}, columns[CELLS] = {0}, chi = 0;

	for (unsigned a = 0; a < CELLS; a++)
		for (unsigned b = 0; b < CELLS; b++) {
			rows[a] += cells[a][b];
			columns[b] += cells[a][b];
			assert_true(cells[a][b] > due / 2);
		}
	for (unsigned a = 0; a < CELLS; a++)
		for (unsigned b = 0; b < CELLS; b++) {
			double expected = rows[a] * columns[b] / USERS;
			double off = cells[a][b] - expected;

			chi += off * off / expected;
		}
	return chi;
}

static unsigned
cell(uint64_t bucket)
{
	return (unsigned)(bucket >> 61);
}

static void
test_services_are_independent(void **state)
{
	static const char *const pairs[][2] = {
	    {"shop", "orders"}, {"a", "b"}, {"shop-1", "shop-2"}, {"x", "xx"}};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		unsigned cells[CELLS][CELLS] = {{0}};

		for (unsigned user = 0; user < USERS; user++) {
			uint64_t a = place_of_user(pairs[i][0], user);
			uint64_t b = place_of_user(pairs[i][1], user);

			cells[cell(a)][cell(b)]++;
		}
		assert_true(chi_square(cells) < CHI_MAX);
	}
}

/* Else the users of a canary would all be on some of its pods. */
static void
test_independent_of_the_policy_hash(void **state)
{
	unsigned cells[CELLS][CELLS] = {{0}};

	(void)state;
	for (unsigned user = 0; user < USERS; user++) {
		char text[24];
		int n = snprintf(text, sizeof text, "user-%u", user);
		struct span key = {text, (size_t)n};

		cells[cell(place_of_user("shop", user))]
		     [cell(hash_bytes(key, HASH_ON_HEADER))]++;
	}
	assert_true(chi_square(cells) < CHI_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known_places),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_newcomer),
	    cmocka_unit_test(test_layout),
	    cmocka_unit_test(test_exact_borders),
	    cmocka_unit_test(test_scale_plays_no_part),
	    cmocka_unit_test(test_two_versions),
	    cmocka_unit_test(test_three_versions),
	    cmocka_unit_test(test_ends_of_many_versions),
	    cmocka_unit_test(test_stable_gives_and_takes),
	    cmocka_unit_test(test_last_added_go_first),
	    cmocka_unit_test(test_weight_0_gets_nothing),
	    cmocka_unit_test(test_shares_of_users),
	    cmocka_unit_test(test_shares_of_addresses),
	    cmocka_unit_test(test_services_are_independent),
	    cmocka_unit_test(test_independent_of_the_policy_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
