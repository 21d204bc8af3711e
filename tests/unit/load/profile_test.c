/* Profiles from the command line, and the requests they send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/jar.h"
#include "load/load.h"
#include "load/profile.h"
#include "load/request.h"
#include "load/target.h"
#include "load/users.h"
#include "router/split.h"

#define WORDS(...)                                               \
	{                                                        \
		(const char *const[]){__VA_ARGS__},              \
		    sizeof((const char *const[]){__VA_ARGS__}) / \
			sizeof(char *)                           \
	}

static struct profiles *
read(const struct load_options *o)
{
	struct profiles *p = calloc(1, sizeof *p);
	char why[512] = "";

	if (!profiles_read(p, o, why, sizeof why))
		fail_msg("%s", why);
	return p;
}

static void
end(struct profiles *p)
{
	profiles_free(p);
	free(p);
}

static void
refuse(const struct load_options *o, const char *words)
{
	struct profiles *p = calloc(1, sizeof *p);
	char why[512] = "";

	assert_false(profiles_read(p, o, why, sizeof why));
	if (strstr(why, words) == NULL)
		fail_msg("%s: %s", words, why);
	end(p);
}

/* Every prefix of the requests has each profile's share within one. */
static void
test_shares(void **state)
{
	const struct load_options o = {
	    .agents = WORDS("A=50%", "B=30%"), .profiles = WORDS("C", "D")};
	const double shares[] = {0.5, 0.3, 0.1, 0.1};
	struct profiles *p = read(&o);
	unsigned counts[4] = {0};

	(void)state;
	assert_int_equal(p->n, 4);
	for (unsigned k = 0; k < 5000; k++) {
		counts[split_at(p->split, k)]++;
		for (unsigned i = 0; i < 4; i++) {
			double off = shares[i] * (k + 1) - counts[i];

			assert_true(off < 1 && off > -1);
		}
	}
	assert_true(p->list[2].share > 0.09999 && p->list[2].share < 0.10001);
	end(p);
}

static void
test_default(void **state)
{
	const struct load_options o = {0};
	struct profiles *p = read(&o);

	(void)state;
	assert_int_equal(p->n, 1);
	assert_string_equal(p->list[0].name, "default");
	end(p);
}

static void
test_wrong(void **state)
{
	(void)state;
	refuse(&(struct load_options){.agents = WORDS("A=50%")},
	    "are 50% together, expected 100%");
	refuse(&(struct load_options){.agents = WORDS("A=60%", "B=60%")},
	    "are 120% together, expected 100%");
	refuse(&(struct load_options){.agents = WORDS("A=100%", "B")},
	    "less than 100%");
	refuse(&(struct load_options){.agents = WORDS("A=0%", "B")},
	    "a share as 50%");
	refuse(
	    &(struct load_options){.agents = WORDS("A=x")}, "a share as 50%");
	refuse(&(struct load_options){.agents = WORDS("A", "A")},
	    "each profile once");
	refuse(&(struct load_options){.agents = WORDS("")}, "a profile's name");
	refuse(&(struct load_options){.headers = WORDS("nocolon")},
	    "--header: expected NAME: VALUE");
	refuse(&(struct load_options){.headers = WORDS("[B] X: y")},
	    "--header: expected NAME: VALUE");
	refuse(&(struct load_options){.headers = WORDS("X: a\r\nY: b")},
	    "--header: expected NAME: VALUE");
	refuse(&(struct load_options){.headers = WORDS("Content-Length: 3")},
	    "--body, --cookie");
	refuse(&(struct load_options){.cookies = WORDS("a")},
	    "--cookie: expected NAME=VALUE");
	refuse(&(struct load_options){.cookies = WORDS("a=1; b=2")},
	    "--cookie: expected NAME=VALUE");
	refuse(&(struct load_options){.methods = WORDS("G T")},
	    "--method: expected a method");
	refuse(&(struct load_options){.bodies = WORDS("@/nowhere/at/all")},
	    "--body: cannot read /nowhere/at/all");
}

static const struct target *
target(void)
{
	static char path[] = "/cart?u={user}";
	static struct target t = {
	    .authority = "shop:81", .host = "shop", .path = path};

	return &t;
}

static void
check_h1(const struct profile *p, const struct target *t, uint64_t user,
    const struct jar *jar, const char *expected)
{
	struct request r;
	struct buffer b = {0};

	assert_true(request_render(&r, p, t, jar != NULL));
	request_write_h1(&r, user, jar, 0, &b);
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.p, expected, b.n);
	if (r.fixed) {
		assert_int_equal(r.h1_whole.n, b.n);
		assert_memory_equal(r.h1_whole.p, expected, b.n);
	}
	buffer_free(&b);
	request_free(&r);
}

static void
test_requests(void **state)
{
	const struct load_options o = {.agents = WORDS("A", "B"),
	    .headers = WORDS("X-One: 1", "[B] x-one: two", "[A] Host: other",
		"[B] X-User: u{user}."),
	    .cookies = WORDS("s={user}", "[A] t=1"),
	    .methods = WORDS("[B] PUT"),
	    .bodies = WORDS("[B] {\"a\":1}")};
	struct profiles *p = read(&o);
	struct jar jar = {0};

	(void)state;
	check_h1(&p->list[0], target(), 7, NULL,
	    "GET /cart?u=7 HTTP/1.1\r\nHost: other\r\nUser-Agent: A\r\n"
	    "Accept: */*\r\nX-One: 1\r\nCookie: t=1; s=7\r\n\r\n");
	check_h1(&p->list[1], target(), 12, NULL,
	    "PUT /cart?u=12 HTTP/1.1\r\nHost: shop:81\r\nUser-Agent: B\r\n"
	    "Accept: */*\r\nx-one: two\r\nX-User: u12.\r\n"
	    "Content-Length: 7\r\nCookie: s=12\r\n\r\n{\"a\":1}");
	check_h1(&p->list[0], target(), 7, &jar,
	    "GET /cart?u=7 HTTP/1.1\r\nHost: other\r\nUser-Agent: A\r\n"
	    "Accept: */*\r\nX-One: 1\r\n\r\n");
	assert_true(jar_put(&jar, SPAN("j=5")));
	check_h1(&p->list[0], target(), 7, &jar,
	    "GET /cart?u=7 HTTP/1.1\r\nHost: other\r\nUser-Agent: A\r\n"
	    "Accept: */*\r\nX-One: 1\r\nCookie: j=5\r\n\r\n");
	jar_free(&jar);
	end(p);
}

static void
test_fixed(void **state)
{
	const struct load_options o = {.headers = WORDS("User-Agent: me")};
	struct profiles *p = read(&o);
	struct target t = *target();
	char root[] = "/";
	struct request r;

	(void)state;
	t.path = root;
	check_h1(&p->list[0], &t, 1, NULL,
	    "GET / HTTP/1.1\r\nHost: shop:81\r\nUser-Agent: me\r\n"
	    "Accept: */*\r\n\r\n");
	assert_true(request_render(&r, &p->list[0], &t, false));
	assert_true(r.fixed);
	request_free(&r);
	end(p);
}

static void
test_h2_fields(void **state)
{
	const struct load_options o = {
	    .headers = WORDS("X-Big: Y", "Connection: close"),
	    .bodies = WORDS("b")};
	static const char *const expected[][2] = {{":method", "POST"},
	    {":scheme", "http"}, {":authority", "shop:81"},
	    {":path", "/cart?u={user}"}, {"user-agent", PROFILE_AGENT},
	    {"accept", "*/*"}, {"x-big", "Y"}, {"content-length", "1"}};
	struct profiles *p = read(&o);
	struct request r;

	(void)state;
	assert_true(request_render(&r, &p->list[0], target(), false));
	assert_int_equal(r.nfields, 8);
	for (size_t i = 0; i < 8; i++) {
		assert_true(span_eq(r.fields[i].name, span_of(expected[i][0])));
		assert_true(
		    span_eq(r.fields[i].value, span_of(expected[i][1])));
	}
	request_free(&r);
	end(p);
}

static void
test_users(void **state)
{
	const struct load_options o = {
	    .agents = WORDS("A=75%", "B=25%"), .cookies = WORDS("id=u{user}")};
	struct profiles *p = read(&o);
	bool met[101] = {false};
	unsigned ofB = 0;

	(void)state;
	for (unsigned thread = 0; thread < 3; thread++) {
		struct users *u = users_new(p, 100, thread, 3);

		for (unsigned profile = 0; profile < 2; profile++) {
			struct user *first = users_next(u, profile), *user;

			user = first;
			do {
				assert_false(met[user->number]);
				met[user->number] = true;
				ofB += profile;
				user = users_next(u, profile);
			} while (user != first);
			assert_int_equal(user->jar.n, 1);
		}
		users_free(u);
	}
	for (unsigned i = 1; i <= 100; i++)
		assert_true(met[i]);
	assert_true(ofB >= 24 && ofB <= 28);
	end(p);
}

/* What a user sees, one letter an answer, and how often that flips. */
static void
test_flips(void **state)
{
	static const struct {
		const char *seen;
		unsigned flips;
	} rows[] = {{"", 0}, {"aaaa", 0}, {"aabb", 0}, {"aba", 1}, {"abab", 2},
	    {"abc", 0}, {"abca", 1}, {"a-a", 0}, {"-b-b", 0}, {"ab-ba", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct user user = {0};
		unsigned flips = 0;

		for (size_t k = 0; rows[i].seen[k] != '\0'; k++) {
			char c = rows[i].seen[k];

			flips += user_saw(&user,
			    c == '-' ? BOARD_NO_VERSION
				     : (unsigned)(c - 'a') + 1,
			    k);
		}
		assert_int_equal(flips, rows[i].flips);
	}
}

/* An answer that was overtaken by a later request's is no change back. */
static void
test_overtaken(void **state)
{
	struct user user = {0};

	(void)state;
	assert_false(user_saw(&user, 1, 0));
	assert_false(user_saw(&user, 2, 2));
	assert_false(user_saw(&user, 1, 1));
	assert_false(user_saw(&user, 2, 3));
	assert_true(user_saw(&user, 1, 4));
}

static void
test_names(void **state)
{
	static const char *const good[] = {"A", "Always-Good", "a b=c",
	    "\xc3\x9cn\xc3\xaf", "\xe2\x82\xac", "\xf0\x9f\x90\x99"};
	static const char *const bad[] = {"a\tb", "a\nb", "\x7f", "\xc2\x85",
	    "\xff\xfe", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf",
	    "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
	    "\xe2\x82"};
	char text[80];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		const char *word = text;
		struct profiles *p;

		snprintf(text, sizeof text, "%s=100%%", good[i]);
		p = read(&(struct load_options){.agents = {&word, 1}});
		assert_string_equal(p->list[0].name, good[i]);
		end(p);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *word = bad[i];

		refuse(&(struct load_options){.agents = {&word, 1}},
		    "UTF-8 that prints");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shares),
	    cmocka_unit_test(test_default),
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_h2_fields),
	    cmocka_unit_test(test_users),
	    cmocka_unit_test(test_flips),
	    cmocka_unit_test(test_overtaken),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
