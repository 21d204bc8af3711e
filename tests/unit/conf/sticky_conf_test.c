/*
 * The sticky cookie in the config: what is read, also from the file of its
 * secret, and every error with its place.
 */
#include "tests/unit/conf/error_rows.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/conf/make_certificate.h"

#define STICKY(text) SHOP "    sticky: " text "\n"
#define ONLY_NAME \
	"expected the name of a cookie, a token of at most 64 bytes, found "
#define SIXTEEN "0123456789abcdef"

static const char *const files[] = {
    "hex", "raw", "crlf", "short", "newlines", "empty", NULL};

/* Names without a folder are looked for here. */
static int
setup(void **state)
{
	(void)state;
	make_folder_new();
	make_bytes("hex", SIXTEEN "\n", 17);
	make_bytes("raw", SIXTEEN, 16);
	make_bytes("crlf", SIXTEEN "\r\n", 18);
	make_bytes("short", "0123456789abcde\n\n", 17);
	make_bytes("newlines", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", 17);
	make_bytes("empty", "", 0);
	CHECK(chdir(make_folder) == 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	make_folder_free(files);
	return 0;
}

/* clang-format off */
static const struct row errors[] = {
    {STICKY("{cookie: shunt}"), ""},
    {STICKY("{cookie: __Host-a.b, ttl: 365d, pod: true, secret_file: hex}"), ""},
    {STICKY("{cookie: s, secret_file: raw}"), ""},
    {STICKY("on"), "5:13: expected a map with the keys cookie, ttl, "
		   "secret_file, pod, found a string\n"},
    {STICKY(""), "5:12: expected a map with the keys cookie, ttl, "
		 "secret_file, pod, found nothing\n"},
    {STICKY("{}"), "5:13: missing key \"cookie\"\n"},
    {STICKY("{ttl: 1h}"), "5:13: missing key \"cookie\"\n"},
    {STICKY("{cokie: a}"),
	"5:14: unknown key \"cokie\", did you mean \"cookie\"?\n"},
    {STICKY("{cookie: a b}"), "5:22: " ONLY_NAME "\"a b\"\n"},
    {STICKY("{cookie: a=b}"), "5:22: " ONLY_NAME "\"a=b\"\n"},
    {STICKY("{cookie: \"\"}"), "5:22: " ONLY_NAME "\"\"\n"},
    {STICKY("{cookie: \"a;\"}"), "5:22: " ONLY_NAME "\"a;\"\n"},
    {STICKY("{cookie: [a]}"),
	"5:22: expected the name of a cookie, a token of at most 64 bytes, "
	"found a list\n"},
    {STICKY("{cookie: " SIXTEEN SIXTEEN SIXTEEN SIXTEEN "}"), ""},
    {STICKY("{cookie: " SIXTEEN SIXTEEN SIXTEEN SIXTEEN "0}"),
	"5:22: " ONLY_NAME "\"" SIXTEEN SIXTEEN SIXTEEN "...\"\n"},
    {STICKY("{cookie: a, ttl: 1}"),
	"5:30: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"1\"\n"},
    {STICKY("{cookie: a, ttl: 0s}"),
	"5:30: expected a duration from 1s to 365d, found \"0s\"\n"},
    {STICKY("{cookie: a, ttl: 366d}"),
	"5:30: expected a duration from 1s to 365d, found \"366d\"\n"},
    {STICKY("{cookie: a, ttl: 1500ms}"),
	"5:30: expected a duration of whole seconds, found \"1500ms\"\n"},
    {STICKY("{cookie: a, pod: maybe}"),
	"5:30: expected true or false, found \"maybe\"\n"},
    {STICKY("{cookie: a, secret_file: \"\"}"),
	"5:38: expected the name of a file, found \"\"\n"},
    {STICKY("{cookie: a, secret_file: none}"),
	"5:38: cannot read: No such file or directory: none\n"},
    {STICKY("{cookie: a, secret_file: \"no\\nne\"}"),
	"5:38: cannot read: No such file or directory: no?ne\n"},
    {STICKY("{cookie: a, secret_file: .}"),
	"5:38: cannot read: not a regular file: .\n"},
    {STICKY("{cookie: a, secret_file: short}"),
	"5:38: expected a secret of at least 16 bytes, found 15: short\n"},
    {STICKY("{cookie: a, secret_file: newlines}"),
	"5:38: expected a secret of at least 16 bytes, found 0: newlines\n"},
    {STICKY("{cookie: a, secret_file: empty}"),
	"5:38: expected a secret of at least 16 bytes, found 0: empty\n"},
    {STICKY("{cookie: 1 2, ttl: x, secret_file: none, pod: 3, y: 1}"),
	"5:22: " ONLY_NAME "\"1 2\"\n"
	"5:32: expected a duration such as 500ms, 10s, 5m or 1h, found "
	"\"x\"\n"
	"5:48: cannot read: No such file or directory: none\n"
	"5:59: expected true or false, found \"3\"\n"
	"5:62: unknown key \"y\", known: cookie, ttl, secret_file, pod\n"},
};
/* clang-format on */

TABLE_TEST(errors)

static struct conf *
parse(const char *name, const char *text)
{
	struct conf_errors wrong;
	struct conf *c = conf_parse(name, text, strlen(text), &wrong);

	for (size_t i = 0; i < wrong.n; i++)
		print_message("%s\n", wrong.lines[i]);
	assert_non_null(c);
	conf_errors_free(&wrong);
	return c;
}

static const struct sticky *
sticky_of(const struct conf *c)
{
	return &c->spec->services[0].terms.sticky;
}

static void
test_read(void **state)
{
	struct conf *c = parse("f", SHOP);

	(void)state;
	assert_null(sticky_of(c)->name);
	assert_null(sticky_of(c)->key);
	conf_free(c);
	c = parse("f", STICKY("{cookie: shunt}"));
	assert_string_equal(sticky_of(c)->name, "shunt");
	assert_int_equal(sticky_of(c)->ttl_s, 3600);
	assert_null(sticky_of(c)->key);
	assert_false(sticky_of(c)->pod);
	conf_free(c);
	c = parse(
	    "f", STICKY("{secret_file: raw, pod: true, ttl: 365d, cookie: c}"));
	assert_string_equal(sticky_of(c)->name, "c");
	assert_int_equal(sticky_of(c)->ttl_s, 365 * 86400);
	assert_non_null(sticky_of(c)->key);
	assert_true(sticky_of(c)->pod);
	conf_free(c);
}

/* A cookie by one file is good by the other, however its last line ends. */
static void
test_same_secret(void **state)
{
	static const char *const others[] = {"raw", "crlf"};
	const struct sticky_mark mark = {.version = SPAN("v1")};
	struct conf *c = parse("f", STICKY("{cookie: c, secret_file: hex}"));
	char text[STICKY_TEXT_MAX];
	size_t n = sticky_write(sticky_of(c)->key, SPAN("shop"), &mark, text);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char config[512];
		struct sticky_mark read;
		struct conf *d;

		snprintf(config, sizeof config,
		    STICKY("{cookie: c, secret_file: %s}"), others[i]);
		d = parse("f", config);
		assert_true(sticky_read(sticky_of(d)->key, SPAN("shop"),
		    (struct span){text, n}, &read));
		conf_free(d);
	}
	conf_free(c);
}

/* What no service says is the process's; what one says stays its own. */
static void
test_stick(void **state)
{
	struct sticky_key *key = sticky_key_new(SPAN("of the process..."));
	struct conf *c = parse("f", STICKY("{cookie: c}"));
	struct conf *d = parse("f", STICKY("{cookie: c, secret_file: hex}"));
	struct conf *off = parse("f", SHOP);

	(void)state;
	spec_stick(c->spec, key);
	spec_stick(c->spec, key);
	spec_stick(d->spec, key);
	spec_stick(off->spec, key);
	assert_ptr_equal(sticky_of(c)->key, key);
	assert_ptr_not_equal(sticky_of(d)->key, key);
	assert_null(sticky_of(off)->key);
	sticky_key_drop(key);
	conf_free(c);
	conf_free(d);
	conf_free(off);
}

/* The file is looked for beside the config. */
static void
test_folder(void **state)
{
	char name[2 * MAKE_PATH_MAX];
	struct conf *c;

	(void)state;
	snprintf(name, sizeof name, "%s", make_path("f"));
	assert_int_equal(chdir("/"), 0);
	c = parse(name, STICKY("{cookie: c, secret_file: hex}"));
	assert_non_null(sticky_of(c)->key);
	conf_free(c);
	assert_int_equal(chdir(make_folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_same_secret),
	    cmocka_unit_test(test_stick),
	    cmocka_unit_test(test_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
