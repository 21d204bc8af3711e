/* Writing lines so that neither a rotation nor a full disk tears them. */
#include "proxy/access_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

int
access_file_open(const char *path)
{
	const int how = O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd;

	if (strcmp(path, "-") == 0)
		return STDOUT_FILENO;
	fd = open(path, how | O_WRONLY, 0640);
	/* A pipe that nobody reads yet: open for reading, too, it waits. */
	if (fd < 0 && errno == ENXIO)
		fd = open(path, how | O_RDWR, 0640);
	return fd;
}

void
access_file_close(int fd)
{
	if (fd >= 0 && fd != STDOUT_FILENO)
		close(fd);
}

void
access_file_lose(struct access_file *f, uint64_t lines)
{
	uint64_t before = atomic_load_explicit(&f->lost, memory_order_relaxed);

	atomic_store_explicit(&f->lost, before + lines, memory_order_relaxed);
}

uint64_t
access_file_lost(const struct access_file *f)
{
	return atomic_load_explicit(&f->lost, memory_order_relaxed);
}

/* Whether the file has the first part of the line that comes next. */
static bool
within_line(const struct access_file *f)
{
	return f->at > 0 && f->buffer[f->at - 1] != '\n';
}

/*
 * While `torn`, a buffer that is not empty begins with a newline that ends
 * the torn line: it is no line of its own.
 */
void
access_file_give_up(struct access_file *f)
{
	uint64_t lines = 0;

	for (size_t i = f->at; i < f->n; i++)
		lines += f->buffer[i] == '\n';
	if (f->torn && f->n > 0)
		lines--;
	access_file_lose(f, lines);
	f->torn |= within_line(f);
	f->n = f->at = 0;
}

/* All of it, or as many whole lines as a pipe takes in one piece. */
static size_t
next_piece(const struct access_file *f)
{
	const char *start = f->buffer + f->at, *end;
	size_t left = f->n - f->at;

	if (f->regular || left <= PIPE_BUF)
		return left;
	end = memrchr(start, '\n', PIPE_BUF);
	return end != NULL ? (size_t)(end + 1 - start) : PIPE_BUF;
}

static bool
wait_writable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, ms) > 0;
}

void
access_file_wait(const struct access_file *f, int ms)
{
	wait_writable(f->fd, ms);
}

bool
access_file_flush(struct access_file *f)
{
	while (f->at < f->n) {
		ssize_t n;

		/* stdout may be a pipe of somebody who wants it blocking */
		if (!f->regular && !wait_writable(f->fd, 0))
			return false;
		n = write(f->fd, f->buffer + f->at, next_piece(f));
		if (n > 0) {
			f->at += (size_t)n;
			f->torn = false;
		} else if (n < 0 && errno == EAGAIN) {
			return false;
		} else if (n == 0 || errno != EINTR) {
			f->error = n < 0 ? errno : EIO;
			access_file_give_up(f);
		}
	}
	f->n = f->at = 0;
	return true;
}

char *
access_file_room(struct access_file *f, size_t n)
{
	CHECK(n <= ACCESS_FILE_BUFFER / 4);
	if (ACCESS_FILE_BUFFER - f->n <= n && !access_file_flush(f))
		return NULL;
	if (f->n == 0 && f->torn)
		f->buffer[f->n++] = '\n';
	return f->buffer + f->n;
}

void
access_file_add(struct access_file *f, size_t n)
{
	CHECK(n > 0 && n <= ACCESS_FILE_BUFFER - f->n);
	f->n += n;
	CHECK(f->buffer[f->n - 1] == '\n');
}

/* Of a line half written, only its newline stays, to end it. */
static void
keep_whole_lines(struct access_file *f)
{
	if (within_line(f)) {
		const char *rest = f->buffer + f->at;
		const char *end = memchr(rest, '\n', f->n - f->at);

		CHECK(end != NULL);
		f->at += (size_t)(end - rest);
		f->torn = true;
		access_file_lose(f, 1);
	}
	f->n -= f->at;
	memmove(f->buffer, f->buffer + f->at, f->n);
	f->at = 0;
}

void
access_file_switch(struct access_file *f, int fd)
{
	struct stat st;
	bool known;

	if (f->fd >= 0)
		access_file_flush(f);
	keep_whole_lines(f);
	if (f->fd != fd)
		access_file_close(f->fd);
	f->fd = fd;
	known = fd >= 0 && fstat(fd, &st) == 0;
	f->regular = known && S_ISREG(st.st_mode);
	if (!f->torn || !f->regular || st.st_size > 0)
		return;
	/* A new file: nothing to end. */
	f->torn = false;
	if (f->n > 0)
		memmove(f->buffer, f->buffer + 1, --f->n);
}
