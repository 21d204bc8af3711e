/*
 * What deciding on a request costs: plan_match, choose_version and
 * balance_pick, and a sticky cookie, in nanoseconds per call, and how long it
 * takes to make the plan. One thread, nothing but the router.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "router/balance.h"
#include "router/choose.h"
#include "router/hash_key.h"
#include "router/match.h"
#include "router/plan.h"
#include "router/spec.h"
#include "router/split.h"
#include "router/sticky.h"
#include "router/tally.h"

#define CALLS	 200000u
#define ROUNDS	 5u
#define REQUESTS 256u /* different ones, so that no branch is learnt */
#define WORKERS	 4u
#define TEXT_MAX 64u

struct shape {
	unsigned routes, pods, rules;
	bool weighted;
	const struct balance_ops *balance;
};

/* What a worker has at hand for each of the requests. */
struct asked {
	char host[TEXT_MAX], path[TEXT_MAX], user[TEXT_MAX], cookie[TEXT_MAX];
	struct field fields[4];
	struct request request;
};

static struct asked asked[REQUESTS];
static uint64_t seed = 88172645463325252ull;

static uint64_t
chance(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 2685821657736338717ull;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *
room_for(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	CHECK(p != NULL);
	return p;
}

static char *
copy(const char *text)
{
	char *p = strdup(text);

	CHECK(p != NULL);
	return p;
}

static struct span
print(char *buf, const char *before, unsigned i, const char *after)
{
	int n = snprintf(buf, TEXT_MAX, "%s%u%s", before, i, after);

	return (struct span){buf, (size_t)n};
}

/* To routes drawn by chance. */
static void
make_requests(unsigned nroutes)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct asked *a = &asked[i];
		unsigned route = (unsigned)(chance() % nroutes);

		a->fields[0] = (struct field){SPAN("Host"),
		    print(a->host, "s", route / 10, ".example.com"),
		    FIELD_HOST};
		a->fields[1] = (struct field){SPAN("User-Agent"),
		    SPAN("Mozilla/5.0 (X11; Linux x86_64)"), FIELD_USER_AGENT};
		a->fields[2] = (struct field){SPAN("X-User"),
		    print(a->user, "user-", (unsigned)chance(), ""),
		    FIELD_OTHER};
		a->fields[3] = (struct field){SPAN("Cookie"),
		    print(a->cookie, "lang=en; uid=", (unsigned)chance(), ""),
		    FIELD_COOKIE};
		a->request = (struct request){
		    .method = SPAN("GET"),
		    .authority = a->fields[0].value,
		    .host = a->fields[0].value,
		    .path = print(a->path, "/r", route % 10, "/item"),
		    .fields = a->fields,
		    .nfields = 3,
		    .family = AF_INET,
		    .client = {10, (uint8_t)(i >> 4), (uint8_t)i, 1},
		};
	}
}

static void
add_routes(struct service_spec *s, unsigned n)
{
	char text[TEXT_MAX];

	s->routes = room_for(n, sizeof *s->routes);
	for (; s->nroutes < n; s->nroutes++) {
		struct route_spec *r = &s->routes[s->nroutes];
		const unsigned i = (unsigned)s->nroutes;

		print(text, "s", i / 10, ".example.com");
		r->host = copy(text);
		print(text, "/r", i % 10, "");
		r->path = copy(text);
	}
}

/* None of them holds, so all are tested. */
static void
add_rules(struct service_spec *s, unsigned n)
{
	char text[TEXT_MAX], why[128];

	s->rules = room_for(n, sizeof *s->rules);
	for (; s->nrules < n; s->nrules++) {
		struct match *m = match_new();
		struct pattern *pattern;

		CHECK(m != NULL);
		print(text, "nobody-", (unsigned)s->nrules, "");
		pattern = pattern_new(PATTERN_EXACT, text, why, sizeof why);
		CHECK(pattern != NULL);
		CHECK(match_add(
			  m, MATCH_HEADER, "X-User", &pattern, 1, false) == 0);
		s->rules[s->nrules].match = m;
	}
}

static void
add_version(struct service_spec *s, const struct shape *shape)
{
	struct version_spec *v = room_for(1, sizeof *v);
	char text[TEXT_MAX];

	s->versions = v;
	s->nversions = 1;
	v->name = copy("v1");
	v->weight = 100 * WEIGHT_ONE;
	v->pods = room_for(shape->pods, sizeof *v->pods);
	v->pod_weights = room_for(shape->pods, sizeof *v->pod_weights);
	for (; v->npods < shape->pods; v->npods++) {
		const unsigned i = (unsigned)v->npods;
		int n = snprintf(text, sizeof text, "10.%u.%u.%u:8000",
		    i >> 16 & 255, i >> 8 & 255, i & 255);

		CHECK(
		    address_parse((struct span){text, (size_t)n}, &v->pods[i]));
		v->pod_weights[i] =
		    shape->weighted ? (uint16_t)(1 + chance() % 1000) : 1;
	}
}

static struct spec *
make_spec(const struct shape *shape)
{
	struct spec *spec = spec_new();
	struct service_spec *s;

	CHECK(spec != NULL);
	s = spec->services = room_for(1, sizeof *s);
	spec->nservices = 1;
	s->name = copy("shop");
	s->terms.balance = shape->balance;
	s->terms.hash.on = HASH_ON_HEADER;
	s->terms.hash.name = copy("X-User");
	s->terms.error_min = 500;
	s->terms.error_max = 599;
	s->terms.empty_stable = true;
	add_routes(s, shape->routes);
	add_rules(s, shape->rules);
	add_version(s, shape);
	return spec;
}

static struct plan *
make_plan(const struct shape *shape)
{
	struct spec *spec = make_spec(shape);
	char why[256];
	struct plan *p = plan_build(spec, NULL, WORKERS, 0, why, sizeof why);

	CHECK(p != NULL);
	spec_free(spec);
	return p;
}

/* What proxy/pick.c does for an attempt. */
static struct pod *
pick(const struct service *s, const struct version *v, const struct request *r,
    uint64_t now_us)
{
	struct tally_slot *slot = &v->tally->slots[0];
	struct pick p = {
	    .ready = v->ready,
	    .n = (unsigned)v->nready,
	    .draw = v->draw,
	    .ring = v->ring,
	    .cursor = &slot->cursor,
	    .inflight = slot->inflight,
	    .roll = chance(),
	    .now_us = now_us,
	};

	if (s->terms->balance->hashes)
		p.key = hash_key_of(&s->terms->hash, r, SPAN_NONE);
	return balance_pick(s->terms->balance, &p);
}

struct cost {
	double match, choose, pick; /* nanoseconds per call */
};

static double
each(uint64_t since_ns)
{
	return (double)(now_ns() - since_ns) / CALLS;
}

static double
less(double a, double b)
{
	return b < a ? b : a;
}

/* Of several rounds the best: what disturbs only makes it slower. */
static struct cost
measure(const struct plan *plan)
{
	const struct service *s = plan->services[0];
	struct cost best = {1e9, 1e9, 1e9};
	struct choice c;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS; i++)
			CHECK(plan_match(plan, &asked[i % REQUESTS].request,
				  NULL) == s);
		best.match = less(best.match, each(start));
		start = now_ns();
		for (unsigned i = 0; i < CALLS; i++)
			choose_version(s, &asked[i % REQUESTS].request, 0, &c);
		best.choose = less(best.choose, each(start));
		start = now_ns();
		for (unsigned i = 0; i < CALLS; i++)
			CHECK(pick(s, c.version, &asked[i % REQUESTS].request,
				  i) != NULL);
		best.pick = less(best.pick, each(start));
	}
	return best;
}

static void
row(const char *policy, unsigned routes, unsigned pods, unsigned rules,
    bool weighted)
{
	const struct shape shape = {
	    routes, pods, rules, weighted, balance_find(policy)};
	struct plan *plan;
	struct cost c;

	make_requests(routes);
	plan = make_plan(&shape);
	c = measure(plan);
	printf("%-14s %6u %6u %5u %-9s %7.0f %7.0f %7.0f %7.0f\n", policy,
	    routes, pods, rules, weighted ? "1-1000" : "equal", c.match,
	    c.choose, c.pick, c.match + c.choose + c.pick);
	plan_drop(plan);
}

/* All of it from a spec, and what a check that changes a pod costs. */
static void
build_row(const char *policy, unsigned pods, bool weighted)
{
	const struct shape shape = {1, pods, 0, weighted, balance_find(policy)};
	double build = 1e9, health = 1e9;
	char why[256];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct spec *spec = make_spec(&shape);
		uint64_t start = now_ns();
		struct plan *a =
		    plan_build(spec, NULL, WORKERS, 0, why, sizeof why);
		struct plan *b;

		CHECK(a != NULL);
		build = less(build, (double)(now_ns() - start));
		start = now_ns();
		b = plan_with_health(a, "shop");
		CHECK(b != NULL);
		health = less(health, (double)(now_ns() - start));
		plan_drop(a);
		plan_drop(b);
		spec_free(spec);
	}
	printf("%-14s %6u %-9s %8.2f %8.2f\n", policy, pods,
	    weighted ? "1-1000" : "equal", build / 1e6, health / 1e6);
}

/* More versions without pods, and users with a cookie. */
static struct plan *
make_cohort_plan(enum hash_on on, const char *name, unsigned versions)
{
	const struct shape shape = {1, 4, 0, false, balance_find("random")};
	struct spec *spec = make_spec(&shape);
	struct service_spec *s = &spec->services[0];
	char text[TEXT_MAX], why[256];
	struct plan *p;

	s->versions = realloc(s->versions, versions * sizeof s->versions[0]);
	CHECK(s->versions != NULL);
	for (; s->nversions < versions; s->nversions++) {
		struct version_spec *v = &s->versions[s->nversions];

		print(text, "v", (unsigned)s->nversions + 1, "");
		*v = (struct version_spec){
		    .name = copy(text), .weight = WEIGHT_ONE};
	}
	s->terms.cohort.key.on = on;
	s->terms.cohort.key.name = name != NULL ? copy(name) : NULL;
	p = plan_build(spec, NULL, WORKERS, 0, why, sizeof why);
	CHECK(p != NULL);
	spec_free(spec);
	return p;
}

static void
cohort_row(enum hash_on on, const char *name, unsigned versions)
{
	static const char *const words[] = {
	    [HASH_ON_NOTHING] = "request",
	    [HASH_ON_CLIENT] = "client_ip",
	    [HASH_ON_HEADER] = "header",
	    [HASH_ON_COOKIE] = "cookie",
	};
	struct plan *plan = make_cohort_plan(on, name, versions);
	double best = 1e9;
	struct choice c;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS; i++) {
			choose_version(plan->services[0],
			    &asked[i % REQUESTS].request, 0, &c);
			CHECK(c.hashed == (on != HASH_ON_NOTHING));
		}
		best = less(best, each(start));
	}
	printf("%-14s %8u %7.0f\n", words[on], versions, best);
	plan_drop(plan);
}

static void
cohort_rows(void)
{
	static const unsigned versions[] = {2, 4, 255};

	make_requests(1);
	for (unsigned i = 0; i < REQUESTS; i++)
		asked[i].request.nfields = 4;
	printf("\nns to choose a version by weight, best of %u rounds of %u\n",
	    ROUNDS, CALLS);
	printf("%-14s %8s %7s\n", "cohort", "versions", "choose");
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		cohort_row(HASH_ON_NOTHING, NULL, versions[i]);
		cohort_row(HASH_ON_CLIENT, NULL, versions[i]);
		cohort_row(HASH_ON_HEADER, "X-User", versions[i]);
		cohort_row(HASH_ON_COOKIE, "uid", versions[i]);
	}
}

/* Reading a cookie, as for each request that has one, and writing it. */
static void
sticky_row(void)
{
	const struct sticky_mark mark = {
	    .version = SPAN("v1"),
	    .expires_s = 1790000000,
	    .pod = chance(),
	};
	struct sticky_key *key = sticky_key_new(SPAN("sixteen and more"));
	double reading = 1e9, writing = 1e9;
	char text[STICKY_TEXT_MAX];
	struct sticky_mark found;
	size_t n = 0;

	CHECK(key != NULL);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();

		for (unsigned i = 0; i < CALLS; i++)
			n = sticky_write(key, SPAN("shop"), &mark, text);
		writing = less(writing, each(start));
		start = now_ns();
		for (unsigned i = 0; i < CALLS; i++)
			CHECK(sticky_read(
			    key, SPAN("shop"), (struct span){text, n}, &found));
		reading = less(reading, each(start));
	}
	printf("sticky cookie: %.0f ns to read, %.0f ns to write\n", reading,
	    writing);
	sticky_key_drop(key);
}

int
main(void)
{
	static const char *const policies[] = {
	    "round_robin", "random", "least_request", "ewma", "hash"};
	static const unsigned shapes[][3] = {{1, 4, 0}, {1000, 4, 0},
	    {1, 4, 50}, {1, 10000, 0}, {1000, 10000, 50}};
	const size_t npolicies = sizeof policies / sizeof policies[0];

	printf("ns per request, one thread, best of %u rounds of %u\n", ROUNDS,
	    CALLS);
	printf("%-14s %6s %6s %5s %-9s %7s %7s %7s %7s\n", "policy", "routes",
	    "pods", "rules", "weights", "match", "choose", "pick", "sum");
	for (size_t p = 0; p < npolicies; p++) {
		for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
			row(policies[p], shapes[i][0], shapes[i][1],
			    shapes[i][2], false);
		row(policies[p], 1, 4, 0, true);
		row(policies[p], 1, 10000, 0, true);
	}
	cohort_rows();
	printf("\nms to make a plan from its spec, and again with other ready "
	       "pods\n");
	printf("%-14s %6s %-9s %8s %8s\n", "policy", "pods", "weights", "build",
	    "health");
	for (size_t p = 0; p < npolicies; p++) {
		build_row(policies[p], 10000, false);
		build_row(policies[p], 10000, true);
	}
	printf("\n");
	sticky_row();
	return 0;
}
