/* `launch` of a version: its errors, its defaults, what it says. */
#include "tests/unit/conf/error_rows.h"

#include "router/launch_spec.h"

#define V	TOP "services:\n  s:\n    versions:\n      v1:\n"
#define L	V "        launch:\n"
#define COMMAND "          command: [sh, -c, exit]\n"

/* clang-format off */
static const struct row launch_keys[] = {
    {L COMMAND, ""},
    {V "        pods: []\n        launch: {command: [sh]}\n",
	"7:9: expected either \"pods\" or \"launch\", found both\n"},
    {V "        launch: {}\n", "6:17: missing key \"command\"\n"},
    {V "        protocol: h1\n", "6:9: missing key \"pods\" or \"launch\"\n"},
    {V "        launch: sh\n",
	"6:17: expected a map with the keys command, replicas, env, directory, "
	"user, group, listen, address, ports, start, grace, backoff, limits, "
	"found a string\n"},
    {L "          command: sh\n",
	"7:20: expected a list of a program and its arguments, found a "
	"string\n"},
    {L "          command: []\n",
	"7:20: expected a list of a program and its arguments, found an empty "
	"one\n"},
    {L "          command: [\"\"]\n",
	"7:21: expected a program, found \"\"\n"},
    {L "          command: [sh, [x]]\n",
	"7:25: expected a string, found a list\n"},
    {L "          command: [no/such]\n",
	"7:21: expected a program, found \"DIR/no/such\": No such file or "
	"directory\n"},
    {L "          command: [no-such-program]\n",
	"7:21: expected a program in a folder of PATH, found "
	"\"no-such-program\": No such file or directory\n"},
    {L "          command: [sh]\n          env: {PATH: /nowhere}\n",
	"7:21: expected a program in a folder of PATH, found \"sh\": No such "
	"file or directory\n"},
    {L "          command: [/]\n",
	"7:21: expected a program, found \"/\": it is no file\n"},
    {L "          command: [/etc/passwd]\n",
	"7:21: expected a program, found \"/etc/passwd\": Permission denied\n"},
    {L "          command: [sh, \"{prot}\"]\n",
	"7:25: expected one of {port}, {address}, {service}, {version}, "
	"{pod}, found \"{prot}\"; {{x}} stands for {x}\n"},
    {L "          command: [sh, \"{{prot}} {}\"]\n", ""},
    {L COMMAND "          listen: socket\n          env: {A: \"{port}\"}\n",
	"9:20: expected one of {socket}, {service}, {version}, {pod} with a "
	"socket, found \"{port}\"; {{x}} stands for {x}\n"},
    {L COMMAND "          listen: pipe\n",
	"8:19: expected one of port, socket, found \"pipe\"\n"},
    {L COMMAND "          env: {A-B: x, 1A: y, A: [z]}\n",
	"8:17: expected a name of letters, digits and \"_\", found \"A-B\"\n"
	"8:25: expected a name of letters, digits and \"_\", found \"1A\"\n"
	"8:35: expected a string, found a list\n"},
    {L COMMAND "          replicas: 1001\n",
	"8:21: expected an integer from 0 to 1000, found \"1001\"\n"},
    {L COMMAND "          directory: \"\"\n",
	"8:22: expected a path, found \"\"\n"},
    {L COMMAND "          directory: /etc/passwd\n",
	"8:22: expected a folder, found \"/etc/passwd\": Not a directory\n"},
    {L COMMAND "          user: no-such-user\n          group: no-such-group\n",
	"8:17: expected the name of a user, found \"no-such-user\"\n"
	"9:18: expected the name of a group, found \"no-such-group\"\n"},
    {L COMMAND "          address: localhost\n          ports: 80-70\n",
	"8:20: expected an IP address such as 127.0.0.1 or ::1, found "
	"\"localhost\"\n"
	"9:18: expected a range of ports such as 20000-29999, found "
	"\"80-70\"\n"},
    {L COMMAND "          address: 0.0.0.0\n",
	"8:20: expected an address of one machine, not the unspecified one, "
	"found \"0.0.0.0\"\n"},
    {L COMMAND "          address: unix:/x\n          ports: 0-70000\n",
	"8:20: expected an IP address such as 127.0.0.1 or ::1, found "
	"\"unix:/x\"\n"
	"9:18: expected a range of ports such as 20000-29999, found "
	"\"0-70000\"\n"},
    {L COMMAND "          start: 0s\n          grace: 2h\n",
	"8:18: expected a duration from 1ms to 1h, found \"0s\"\n"
	"9:18: expected a duration from 0s to 1h, found \"2h\"\n"},
    {L COMMAND "          backoff: {min: 2s, max: 1s}\n",
	"8:35: expected at least what \"min\" says, found \"1s\"\n"},
    {L COMMAND "          limits: {memory: 1KiB, files: 1, cpu: 1}\n",
	"8:28: expected a size from 1MiB to 1048576GiB, found \"1KiB\"\n"
	"8:41: expected an integer from 8 to 1073741824, found \"1\"\n"
	"8:44: unknown key \"cpu\", known: memory, files, processes\n"},
};
/* clang-format on */

/* The place of what the config names is known only when it runs. */
static void
test_launch_keys(void **state)
{
	char *here = realpath(".", NULL);

	(void)state;
	assert_non_null(here);
	for (size_t i = 0; i < sizeof launch_keys / sizeof launch_keys[0];
	     i++) {
		struct row r = launch_keys[i];
		const char *at = strstr(r.lines, "DIR");
		char lines[8192];

		if (at != NULL) {
			snprintf(lines, sizeof lines, "%.*s%s%s",
			    (int)(at - r.lines), r.lines, here, at + 3);
			r.lines = lines;
		}
		check_rows(&r, 1);
	}
	free(here);
}

static struct conf *
read_good(const char *text)
{
	struct conf_errors errors;
	struct conf *c = conf_parse("f", text, strlen(text), &errors);

	if (c == NULL)
		print_message("%s\n", errors.lines[0]);
	assert_non_null(c);
	conf_errors_free(&errors);
	return c;
}

static void
test_defaults(void **state)
{
	struct conf *c = read_good(L COMMAND);
	const struct version_spec *v = &c->spec->services[0].versions[0];
	const struct launch_spec *l = v->launch;

	(void)state;
	assert_int_equal(v->npods, 0);
	assert_int_equal(l->ncommand, 3);
	assert_string_equal(l->command[0], "sh");
	assert_null(l->command[3]);
	assert_int_equal(l->replicas, 1);
	assert_int_equal(l->nenv, 0);
	assert_int_equal(l->directory[0], '/');
	assert_null(l->user);
	assert_null(l->group);
	assert_int_equal(l->listen, LAUNCH_PORT);
	assert_string_equal(l->address.text, "127.0.0.1:1");
	assert_int_equal(l->port_first, 20000);
	assert_int_equal(l->port_last, 29999);
	assert_int_equal(l->start_ms, 60000);
	assert_int_equal(l->grace_ms, 10000);
	assert_int_equal(l->backoff_min_ms, 500);
	assert_int_equal(l->backoff_max_ms, 30000);
	assert_int_equal(l->memory, 0);
	assert_int_equal(l->files, 0);
	assert_int_equal(l->processes, 0);
	conf_free(c);
}

static void
test_values(void **state)
{
	struct conf *c = read_good(
	    L "          command: [/bin/sh, \"{socket}\"]\n"
	      "          listen: socket\n"
	      "          address: ::1\n"
	      "          user: \"0\"\n"
	      "          group: \"12345\"\n"
	      "          directory: .\n"
	      "          env: {B: \"2\", A: \"\"}\n"
	      "          replicas: 0\n"
	      "          ports: \"4000\"\n"
	      "          backoff: {min: 1m}\n"
	      "          limits: {memory: 1GiB, files: 64, processes: 9}\n");
	const struct launch_spec *l = c->spec->services[0].versions[0].launch;

	(void)state;
	assert_string_equal(l->address.text, "[::1]:1");
	assert_string_equal(l->user, "0");
	assert_int_equal(l->uid, 0);
	assert_int_equal(l->gid, 12345);
	assert_true(l->ngroups > 0);
	assert_int_equal(l->nenv, 2);
	assert_string_equal(l->env[0].name, "B");
	assert_string_equal(l->env[1].value, "");
	assert_int_equal(l->replicas, 0);
	assert_int_equal(l->port_first, 4000);
	assert_int_equal(l->port_last, 4000);
	/* a default gives way to what the file says */
	assert_int_equal(l->backoff_max_ms, 60000);
	assert_int_equal(l->memory, 1u << 30);
	assert_int_equal(l->files, 64);
	assert_int_equal(l->processes, 9);
	conf_free(c);
}

/* A long text is refused as a whole. */
static void
test_too_long(void **state)
{
	size_t size = LAUNCH_TEXT_MAX + 512;
	char *text = calloc(1, size + 512);
	struct conf_errors errors;
	size_t at;

	(void)state;
	assert_non_null(text);
	at = (size_t)snprintf(text, size, L "          command: [sh, ");
	memset(text + at, 'x', LAUNCH_TEXT_MAX);
	snprintf(text + at + LAUNCH_TEXT_MAX, 8, "]\n");
	assert_null(conf_parse("f", text, strlen(text), &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.lines[0],
	    "f:7:11: expected at most 65536 bytes of \"command\" and \"env\", "
	    "found 65540");
	conf_errors_free(&errors);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_launch_keys),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
