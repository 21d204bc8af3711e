/*
 * The writer against real files: nothing lost, nothing torn, nobody kept
 * waiting, whatever becomes of the file. The files under test are compiled
 * in: they are not pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "proxy/access_file.c" /* NOLINT */
#include "proxy/access_log.c"  /* NOLINT */

/* Slow: a disk is waited for. */
#define LINES 20000u

struct fixture {
	char folder[64];
	char path[96], moved[96];
	struct access_log *log;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	snprintf(f->folder, sizeof f->folder, "/tmp/shunt-log-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/access.log", f->folder);
	snprintf(f->moved, sizeof f->moved, "%s/access.log.1", f->folder);
	f->log = access_log_new(2);
	assert_non_null(f->log);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	access_log_free(f->log);
	unlink(f->path);
	unlink(f->moved);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void
use(struct fixture *f, const char *path, enum log_format format)
{
	const struct access_log_settings s = {(char *)path, format};
	char why[128] = "";

	assert_int_equal(access_log_prepare(f->log, &s, why, sizeof why), 0);
	access_log_commit(f->log);
}

/* An entry that says which one it is. */
static void
put(struct fixture *f, unsigned worker, uint64_t id)
{
	const struct access_entry e = {
	    .request_bytes = id,
	    .status = 200,
	    .rule = -1,
	    .chosen = -1,
	    .text = {[ACCESS_TARGET] = SPAN("/target")},
	};

	access_log_put(access_log_ring(f->log, worker), &e);
}

/* After a put: until the writer has no more to do. */
static void
settle(const struct fixture *f)
{
	while (!atomic_load(&f->log->asleep))
		usleep(1000);
}

/* Ends the log; all it was given is on its way out when this returns. */
static void
end(struct fixture *f)
{
	access_log_free(f->log);
	f->log = NULL;
}

/* Marks the ids found in the file; returns how many lines are whole. */
static unsigned
read_ids(const char *path, unsigned char *seen, unsigned n)
{
	FILE *file = fopen(path, "r");
	char text[4096];
	unsigned lines = 0;

	assert_non_null(file);
	while (fgets(text, sizeof text, file) != NULL) {
		const char *id = strstr(text, "request_bytes\":");
		size_t length = strlen(text);
		unsigned long at;

		if (length < 2 || strcmp(text + length - 2, "}\n") != 0 ||
		    strncmp(text, "{\"time", 6) != 0)
			continue;
		assert_non_null(id);
		at = strtoul(id + strlen("request_bytes\":"), NULL, 10);
		assert_true(at < n);
		assert_int_equal(seen[at]++, 0);
		lines++;
	}
	fclose(file);
	return lines;
}

static void
everything_is_written_before_the_end(void **state)
{
	static unsigned char seen[2000];
	struct fixture *f = *state;

	use(f, f->path, LOG_FORMAT_JSON);
	for (unsigned i = 0; i < sizeof seen; i++)
		put(f, i % 2, i);
	end(f);
	assert_int_equal(read_ids(f->path, seen, sizeof seen), sizeof seen);
}

/* A worker that puts again what a full ring refused. */
struct load {
	struct fixture *f;
	unsigned worker;
	_Atomic unsigned done;
};

static void *
load_main(void *arg)
{
	struct load *l = arg;
	struct access_ring *r = access_log_ring(l->f->log, l->worker);

	for (unsigned i = 0; i < LINES;) {
		uint64_t refused = atomic_load(&r->dropped);

		put(l->f, l->worker, 2 * (uint64_t)i + l->worker);
		if (atomic_load(&r->dropped) == refused)
			atomic_store(&l->done, ++i);
		if (i % 32 == 0)
			usleep(2000);
	}
	return NULL;
}

static void
rotation_under_load_loses_nothing(void **state)
{
	static unsigned char seen[2 * LINES];
	struct fixture *f = *state;
	struct load loads[2] = {{.f = f, .worker = 0}, {.f = f, .worker = 1}};
	pthread_t threads[2];
	char names[60][112];
	unsigned rotations = 0, lines = 0;

	use(f, f->path, LOG_FORMAT_JSON);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, load_main, &loads[i]), 0);
	while (rotations < 60 && atomic_load(&loads[0].done) < LINES) {
		char *name = names[rotations];

		snprintf(name, sizeof names[0], "%s.%u", f->path, rotations);
		if (rename(f->path, name) == 0) {
			rotations++;
			access_log_reopen(f->log);
		}
		usleep(20000);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(access_file_lost(&f->log->file), 0);
	end(f);
	assert_true(rotations > 5);
	for (unsigned i = 0; i < rotations; i++) {
		lines += read_ids(names[i], seen, sizeof seen);
		unlink(names[i]);
	}
	lines += read_ids(f->path, seen, sizeof seen);
	assert_int_equal(lines, 2 * LINES);
}

static void
a_path_that_cannot_be_opened_changes_nothing(void **state)
{
	static unsigned char seen[2];
	struct fixture *f = *state;
	const struct access_log_settings s = {(char *)"/nonexistent/x", 0};
	char why[128] = "";

	use(f, f->path, LOG_FORMAT_JSON);
	put(f, 0, 0);
	assert_int_equal(access_log_prepare(f->log, &s, why, sizeof why), -1);
	assert_string_equal(
	    why, "access_log: /nonexistent/x: No such file or directory");
	access_log_commit(f->log);
	put(f, 0, 1);
	end(f);
	assert_int_equal(read_ids(f->path, seen, 2), 2);
}

static void
what_is_cancelled_is_not_used(void **state)
{
	static unsigned char seen[1];
	struct fixture *f = *state;
	const struct access_log_settings s = {f->moved, LOG_FORMAT_JSON};
	char why[128];

	use(f, f->path, LOG_FORMAT_JSON);
	assert_int_equal(access_log_prepare(f->log, &s, why, sizeof why), 0);
	access_log_cancel(f->log);
	put(f, 1, 0);
	end(f);
	assert_int_equal(read_ids(f->path, seen, 1), 1);
}

/* What was put before the log is turned off is in the file. */
static void
off_and_on_again(void **state)
{
	static unsigned char seen[600];
	struct fixture *f = *state;

	for (unsigned round = 0; round < 3; round++) {
		use(f, f->path, LOG_FORMAT_JSON);
		for (unsigned i = 0; i < 200; i++)
			put(f, i % 2, round * 200 + i);
		use(f, NULL, LOG_FORMAT_JSON);
	}
	end(f);
	assert_int_equal(read_ids(f->path, seen, 600), 600);
}

static void
another_file_and_format(void **state)
{
	static unsigned char seen[1];
	struct fixture *f = *state;
	char text[512];
	FILE *file;

	use(f, f->path, LOG_FORMAT_JSON);
	put(f, 0, 0);
	settle(f);
	use(f, f->moved, LOG_FORMAT_COMBINED);
	put(f, 0, 1);
	end(f);
	assert_int_equal(read_ids(f->path, seen, 1), 1);
	file = fopen(f->moved, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof text, file));
	assert_non_null(strstr(text, "- - - [01/Jan/1970"));
	assert_non_null(strstr(text, "request_bytes=1 "));
	fclose(file);
}

static void
a_full_disk_is_survived_and_counted(void **state)
{
	static unsigned char seen[1];
	struct fixture *f = *state;

	use(f, "/dev/full", LOG_FORMAT_JSON);
	for (unsigned i = 0; i < 1000; i++)
		put(f, i % 2, i);
	while (access_log_dropped(f->log) < 1000)
		usleep(1000);
	assert_int_equal(access_log_dropped(f->log), 1000);
	use(f, f->path, LOG_FORMAT_JSON);
	put(f, 0, 0);
	end(f);
	assert_int_equal(read_ids(f->path, seen, 1), 1);
}

/* The disk fills within a line, then has room again: one line is torn. */
static void
a_torn_line_spoils_no_other(void **state)
{
	static unsigned char seen[2000];
	struct fixture *f = *state;
	struct rlimit before, small;
	unsigned written;
	uint64_t dropped;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 10007;
	use(f, f->path, LOG_FORMAT_JSON);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned i = 0; i < 1000; i++)
		put(f, 0, i);
	while ((dropped = access_log_dropped(f->log)) < 900)
		usleep(1000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	for (unsigned i = 1000; i < 2000; i++)
		put(f, 0, i);
	use(f, NULL, LOG_FORMAT_JSON);
	settle(f);
	dropped = access_log_dropped(f->log);
	end(f);
	written = read_ids(f->path, seen, 2000);
	assert_int_equal(written + dropped, 2000);
	assert_true(written > 1000);
	for (unsigned i = 1000; i < 2000; i++)
		assert_int_equal(seen[i], 1);
}

/* A reader that does not read: workers go on, the rest is counted. */
static void
a_slow_reader_keeps_nobody_waiting(void **state)
{
	static unsigned char seen[LINES];
	struct fixture *f = *state;
	struct access_log *log = f->log;
	uint64_t start, dropped, took;
	unsigned lines = 0;
	char *text = calloc(1, 1 << 24), *at, *next;
	size_t n = 0;
	ssize_t got;
	int fd;

	assert_non_null(text);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	use(f, f->path, LOG_FORMAT_JSON); /* nobody reads it yet */
	start = clock_now_us();
	for (unsigned i = 0; i < LINES; i++)
		put(f, 0, i);
	took = clock_now_us() - start;
	assert_true(took < 5000000);
	dropped = access_log_dropped(log);
	assert_true(dropped > 0 && dropped < LINES);
	fd = open(f->path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	/* As many whole lines as were not dropped, and nothing torn. */
	while (lines + dropped < LINES) {
		got = read(fd, text + n, (1 << 24) - 1 - n);
		if (got <= 0) {
			usleep(1000);
			continue;
		}
		for (ssize_t i = 0; i < got; i++)
			lines += text[n + (size_t)i] == '\n';
		n += (size_t)got;
	}
	for (at = text; (next = strchr(at, '\n')) != NULL; at = next + 1) {
		unsigned long id =
		    strtoul(strstr(at, "request_bytes\":") + 15, NULL, 10);

		assert_int_equal(strncmp(at, "{\"time", 6), 0);
		assert_int_equal(next[-1], '}');
		assert_int_equal(seen[id]++, 0);
	}
	assert_int_equal(access_log_dropped(log), dropped);
	close(fd);
	free(text);
}

/* The end does not wait for a reader that never comes. */
static void
the_end_comes_though_nobody_reads(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	use(f, f->path, LOG_FORMAT_JSON);
	for (unsigned i = 0; i < LINES; i++)
		put(f, 0, i);
	start = clock_now_us();
	end(f);
	assert_in_range(clock_now_us() - start, 500000, 10000000);
}

static unsigned
count_lines(int fd)
{
	char text[4096];
	unsigned lines = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof text)) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
	return lines;
}

/* From a full pipe to a file: each has whole lines, together all of them. */
static void
from_a_stalled_pipe_to_a_file(void **state)
{
	static unsigned char seen[LINES + 1];
	struct fixture *f = *state;
	uint64_t dropped;
	int fd, waiting = 0;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	fd = open(f->path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	use(f, f->path, LOG_FORMAT_JSON);
	for (unsigned i = 0; i < LINES; i++)
		put(f, 0, i);
	while (waiting < 60000)
		assert_int_equal(ioctl(fd, FIONREAD, &waiting), 0);
	use(f, f->moved, LOG_FORMAT_JSON);
	put(f, 1, LINES);
	settle(f);
	dropped = access_log_dropped(f->log);
	end(f);
	assert_int_equal(
	    count_lines(fd) + read_ids(f->moved, seen, LINES + 1) + dropped,
	    LINES + 1);
	assert_int_equal(seen[LINES], 1);
	close(fd);
}

/* A writer that sleeps is woken by every single entry. */
static void
no_entry_is_slept_over(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	off_t size = 0;

	use(f, f->path, LOG_FORMAT_JSON);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t limit = clock_now_us() + 5000000;

		put(f, i % 2, i);
		do {
			assert_int_equal(stat(f->path, &st), 0);
			assert_true(clock_now_us() < limit);
			usleep(50 * (i % 7));
		} while (st.st_size == size);
		size = st.st_size;
		if (i % 3 == 0)
			usleep(500 * (i % 50));
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(everything_is_written_before_the_end),
	    TEST(rotation_under_load_loses_nothing),
	    TEST(a_path_that_cannot_be_opened_changes_nothing),
	    TEST(what_is_cancelled_is_not_used),
	    TEST(off_and_on_again),
	    TEST(another_file_and_format),
	    TEST(a_full_disk_is_survived_and_counted),
	    TEST(a_torn_line_spoils_no_other),
	    TEST(a_slow_reader_keeps_nobody_waiting),
	    TEST(the_end_comes_though_nobody_reads),
	    TEST(from_a_stalled_pipe_to_a_file),
	    TEST(no_entry_is_slept_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
