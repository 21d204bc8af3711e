/* The state file: what it keeps, whom it keeps out, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/store.h"

static char folder[] = "/tmp/shunt-store-XXXXXX";
static char path[sizeof folder + 16];
static char why[512];

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/state.db", folder);
	return 0;
}

static void
unlink_with(const char *ending)
{
	char name[sizeof path + 8];

	snprintf(name, sizeof name, "%s%s", path, ending);
	unlink(name);
}

static int
remove_files(void **state)
{
	(void)state;
	unlink_with("");
	unlink_with("-wal");
	unlink_with("-shm");
	unlink_with("-journal");
	return 0;
}

static int
remove_folder(void **state)
{
	remove_files(state);
	return rmdir(folder);
}

static struct store *
open_good(void)
{
	struct store *s = store_open(path, why, sizeof why);

	if (s == NULL)
		fail_msg("%s", why);
	return s;
}

static char seen[1024];

static void
see_weight(void *arg, const struct stored_weight *w)
{
	size_t n = strlen(seen);

	(void)arg;
	snprintf(seen + n, sizeof seen - n, "%s/%s %llu of %llu;", w->service,
	    w->version, (unsigned long long)w->weight,
	    (unsigned long long)w->filed);
}

static void
see_pod(void *arg, const struct stored_pod *p)
{
	size_t n = strlen(seen);

	(void)arg;
	snprintf(seen + n, sizeof seen - n, "%s/%s/%s %s%s*%u %u %s;",
	    p->service, p->version, p->address, p->added ? "+" : "",
	    p->removed ? "-" : "", p->weight, p->order,
	    p->name != NULL ? p->name : "none");
}

static void
see_epoch(void *arg, const struct stored_epoch *e)
{
	size_t n = strlen(seen);

	(void)arg;
	snprintf(seen + n, sizeof seen - n, "%s/%s in %u;", e->service,
	    e->version != NULL ? e->version : "*", e->epoch);
}

static const char *
contents(struct store *s)
{
	seen[0] = '\0';
	assert_int_equal(store_each_weight(s, see_weight, NULL), 0);
	assert_int_equal(store_each_pod(s, see_pod, NULL), 0);
	assert_int_equal(store_each_epoch(s, see_epoch, NULL), 0);
	return seen;
}

static void
put_pod(struct store *s, const char *address, bool added, unsigned order)
{
	store_put_pod(s, &(struct stored_pod){.service = "shop",
			     .version = "v1",
			     .address = address,
			     .added = added,
			     .removed = !added,
			     .weight = 2,
			     .order = order,
			     .name = added ? NULL : "pods.test:80"});
}

static void
put_weight(struct store *s, const char *version, uint64_t weight)
{
	store_put_weight(
	    s, &(struct stored_weight){"shop", version, weight, 100});
}

static void
test_keeps(void **state)
{
	struct store *s = open_good();
	struct stat st;

	(void)state;
	assert_string_equal(contents(s), "");
	store_begin(s);
	put_weight(s, "v2", 20);
	put_weight(s, "v1", 80);
	put_weight(s, "v1", 70);
	put_pod(s, "10.0.0.2:80", true, 1);
	put_pod(s, "10.0.0.1:80", false, 2);
	assert_int_equal(store_end(s), 0);
	assert_true(store_is_file(s));
	assert_false(store_behind(s));
	assert_null(store_problem(s));
	store_close(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	s = open_good();
	assert_string_equal(contents(s),
	    "shop/v1 70 of 100;shop/v2 20 of 100;"
	    "shop/v1/10.0.0.1:80 -*2 2 pods.test:80;"
	    "shop/v1/10.0.0.2:80 +*2 1 none;");
	store_begin(s);
	store_drop_weights(s);
	store_drop_pod(s, "shop", "v1", "10.0.0.1:80");
	store_drop_pod(s, "shop", "v1", "10.0.0.9:80");
	assert_int_equal(store_end(s), 0);
	assert_string_equal(contents(s), "shop/v1/10.0.0.2:80 +*2 1 none;");
	store_begin(s);
	store_drop_pods(s);
	assert_int_equal(store_end(s), 0);
	assert_string_equal(contents(s), "");
	store_close(s);
	store_close(NULL);
}

static void
test_keeps_epochs(void **state)
{
	static const struct stored_epoch rows[] = {{"shop", "v2", 0},
	    {"shop", NULL, UINT32_MAX}, {"blog", "v1", 1}, {"shop", "v1", 3},
	    {"blog", NULL, 1}, {"shop", "v2", 2}};
	struct store *s = open_good();

	(void)state;
	store_begin(s);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		store_put_epoch(s, &rows[i]);
	assert_int_equal(store_end(s), 0);
	store_close(s);
	s = open_good();
	assert_string_equal(contents(s),
	    "blog/* in 1;blog/v1 in 1;"
	    "shop/* in 4294967295;shop/v1 in 3;shop/v2 in 2;");
	store_begin(s);
	store_drop_epochs(s, "shop");
	store_drop_epochs(s, "nobody");
	assert_int_equal(store_end(s), 0);
	assert_string_equal(contents(s), "blog/* in 1;blog/v1 in 1;");
	store_close(s);
}

static void
test_without_a_file(void **state)
{
	struct store *s = store_open(NULL, why, sizeof why);

	(void)state;
	store_begin(s);
	put_weight(s, "v1", 1);
	put_pod(s, "10.0.0.2:80", true, 1);
	assert_int_equal(store_end(s), 0);
	assert_false(store_is_file(s));
	assert_false(store_behind(s));
	assert_string_equal(contents(s), "");
	store_close(s);
}

/* A process that ends in the middle: a whole transaction, or nothing. */
static void
test_killed(void **state)
{
	struct store *s;
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		s = store_open(path, why, sizeof why);
		store_begin(s);
		put_weight(s, "v1", 1);
		store_end(s);
		store_begin(s);
		put_weight(s, "v2", 2);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	s = open_good();
	assert_string_equal(contents(s), "shop/v1 1 of 100;");
	store_close(s);
}

static void
test_one_process_at_a_time(void **state)
{
	struct store *s = open_good();
	char expected[64];
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		struct store *other = store_open(path, why, sizeof why);

		snprintf(expected, sizeof expected, "process %ld has it open",
		    (long)getppid());
		fprintf(stderr, "%s\n", why);
		_exit(other == NULL && strstr(why, expected) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* And it did no harm. */
	store_begin(s);
	put_weight(s, "v1", 1);
	assert_int_equal(store_end(s), 0);
	store_close(s);
}

static void
write_file(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
expect_refused(const char *part)
{
	struct store *s = store_open(path, why, sizeof why);

	assert_null(s);
	if (strstr(why, part) == NULL || strstr(why, path) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, part);
}

/* What is not ours is refused, and left as it was. */
static void
test_foreign(void **state)
{
	static const char text[] = "listen:\n  - address: 127.0.0.1:80\n";
	char page[8192], now[sizeof text];
	FILE *f;

	(void)state;
	write_file(text, sizeof text);
	expect_refused("it is no SQLite database");
	f = fopen(path, "re");
	assert_int_equal(fread(now, 1, sizeof now, f), sizeof now);
	fclose(f);
	assert_memory_equal(now, text, sizeof text);
	memset(page, 'x', sizeof page);
	write_file(page, sizeof page);
	expect_refused("it is no SQLite database");
}

/* Ours, with a number of its header changed. */
static void
poke(long at, unsigned char value)
{
	FILE *f = fopen(path, "r+e");

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fputc(value, f), value);
	assert_int_equal(fclose(f), 0);
}

static void
test_other_databases(void **state)
{
	(void)state;
	store_close(open_good());
	poke(71, 1); /* the application's id */
	expect_refused("it is the database of another program");
	remove_files(NULL);
	store_close(open_good());
	poke(63, 200); /* the version of the schema */
	expect_refused("a newer shunt has written it (schema 200");
}

static void
test_damaged(void **state)
{
	struct store *s = open_good();

	(void)state;
	store_begin(s);
	for (int i = 0; i < 2000; i++) {
		char version[32];

		snprintf(version, sizeof version, "v%d", i);
		put_weight(s, version, 1);
	}
	assert_int_equal(store_end(s), 0);
	store_close(s);
	for (long at = 4096; at < 40960; at += 64)
		poke(at, 0xff);
	expect_refused("it is damaged");
	assert_non_null(strstr(why, "move it away"));
}

static void
test_places(void **state)
{
	char good[sizeof path];

	(void)state;
	memcpy(good, path, sizeof good);
	snprintf(path, sizeof path, "%s/no/x", folder);
	expect_refused("its folder must exist");
	snprintf(path, sizeof path, "%s", folder);
	expect_refused("directory");
	snprintf(path, sizeof path, "/dev/null");
	expect_refused("no regular file");
	memcpy(path, good, sizeof good);
}

/* The disk is full for a while: said, survived, and made up for. */
static void
test_full(void **state)
{
	struct store *s = open_good();
	struct rlimit limit, none;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	store_begin(s);
	put_weight(s, "v1", 1);
	assert_int_equal(store_end(s), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = limit;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	store_begin(s);
	put_weight(s, "v2", 2);
	assert_int_equal(store_end(s), -1);
	assert_true(store_behind(s));
	assert_non_null(store_problem(s));
	store_begin(s);
	assert_int_equal(store_end(s), 0); /* it had nothing to write */
	assert_true(store_behind(s));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_string_equal(contents(s), "shop/v1 1 of 100;");
	store_begin(s);
	put_weight(s, "v2", 2);
	assert_int_equal(store_end(s), 0);
	assert_true(store_behind(s)); /* there may be more */
	store_begin(s);
	assert_int_equal(store_end_whole(s), 0);
	assert_false(store_behind(s));
	assert_null(store_problem(s));
	store_close(s);
	s = open_good();
	assert_string_equal(contents(s), "shop/v1 1 of 100;shop/v2 2 of 100;");
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_keeps, remove_files),
	    cmocka_unit_test_teardown(test_keeps_epochs, remove_files),
	    cmocka_unit_test_teardown(test_without_a_file, remove_files),
	    cmocka_unit_test_teardown(test_killed, remove_files),
	    cmocka_unit_test_teardown(test_one_process_at_a_time, remove_files),
	    cmocka_unit_test_teardown(test_foreign, remove_files),
	    cmocka_unit_test_teardown(test_other_databases, remove_files),
	    cmocka_unit_test_teardown(test_damaged, remove_files),
	    cmocka_unit_test_teardown(test_places, remove_files),
	    cmocka_unit_test_teardown(test_full, remove_files),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
