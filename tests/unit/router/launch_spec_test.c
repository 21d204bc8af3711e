/* Placeholders of commands, and when a pod is as good as another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "router/launch_spec.h"

static const struct launch_words port_words = {
    .service = "shop",
    .version = "v1",
    .pod = "127.0.0.1:20000",
    .address = "127.0.0.1",
    .port = "20000",
};

static void
test_expand(void **state)
{
	static const struct {
		const char *text, *made;
	} rows[] = {
	    {"", ""},
	    {"{port}", "20000"},
	    {"--listen={address}:{port}!", "--listen=127.0.0.1:20000!"},
	    {"{service}{version}{pod}", "shopv1127.0.0.1:20000"},
	    {"{socket}", ""},
	    {"{{port}}", "{port}"},
	    {"{{port}", "{20000"},
	    {"{{{port}}}", "{{port}}"},
	    {"{", "{"},
	    {"{}", "{}"},
	    {"{port", "{port"},
	    {"{Port}{p0rt}{ port}", "{Port}{p0rt}{ port}"},
	    {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
	    {"${HOME}", "${HOME}"},
	    {"{other}", "{other}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *made = launch_expand(rows[i].text, &port_words);

		assert_non_null(made);
		assert_string_equal(made, rows[i].made);
		free(made);
	}
}

static void
test_faults(void **state)
{
	char why[512];

	(void)state;
	assert_false(
	    launch_text_fault("{port} {pod}", LAUNCH_PORT, why, sizeof why));
	assert_false(launch_text_fault(
	    "{{prot}} {Prot} {}", LAUNCH_PORT, why, sizeof why));
	assert_true(
	    launch_text_fault("a {prot}", LAUNCH_PORT, why, sizeof why));
	assert_string_equal(why,
	    "expected one of {port}, {address}, {service}, {version}, {pod}, "
	    "found \"{prot}\"; {{x}} stands for {x}");
	assert_true(
	    launch_text_fault("{socket}", LAUNCH_PORT, why, sizeof why));
	assert_true(
	    launch_text_fault("{port}", LAUNCH_SOCKET, why, sizeof why));
	assert_string_equal(why,
	    "expected one of {socket}, {service}, {version}, {pod} with a "
	    "socket, found \"{port}\"; {{x}} stands for {x}");
}

static struct launch_spec *
spec_of(const char *argument, const char *value)
{
	struct launch_spec *s = launch_spec_new();

	assert_non_null(s);
	s->command = calloc(2, sizeof(char *));
	s->command[s->ncommand++] = strdup(argument);
	s->env = calloc(1, sizeof *s->env);
	s->env[s->nenv++] = (struct launch_env){strdup("NAME"), strdup(value)};
	s->directory = strdup("/");
	return s;
}

static void
test_same(void **state)
{
	struct launch_spec *a = spec_of("app", "1"), *b = spec_of("app", "1");
	struct launch_spec *c = spec_of("other", "1"), *d = spec_of("app", "2");

	(void)state;
	b->replicas = 7; /* no reason for another process, nor are times */
	b->grace_ms = b->start_ms = 1;
	assert_true(launch_spec_same(a, b));
	assert_false(launch_spec_same(a, c));
	assert_false(launch_spec_same(a, d));
	b->files = 10;
	assert_false(launch_spec_same(a, b));
	b->files = 0;
	b->user = strdup("nobody");
	assert_false(launch_spec_same(a, b));
	launch_spec_drop(launch_spec_hold(a));
	launch_spec_drop(a);
	launch_spec_drop(b);
	launch_spec_drop(c);
	launch_spec_drop(d);
	launch_spec_drop(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_expand),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
