/* Binding the admin API's sockets without ever taking one that is in use. */
#include "admin/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"

#define BACKLOG 128

static bool
unix_address(const char *path, struct sockaddr_un *sun)
{
	size_t n = strlen(path);

	memset(sun, 0, sizeof *sun);
	sun->sun_family = AF_UNIX;
	if (n >= sizeof sun->sun_path)
		return false;
	memcpy(sun->sun_path, path, n);
	return true;
}

/* 0 when somebody answers, else the errno of connect. */
static int
try_connect(const struct sockaddr_un *sun)
{
	int fd, error = 0;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)sun, sizeof *sun) != 0)
		error = errno;
	close(fd);
	/* Its queue is full: busy, but there. */
	return error == EAGAIN ? 0 : error;
}

bool
socket_taken(const char *path, char *why, size_t why_size)
{
	struct sockaddr_un sun;

	if (!unix_address(path, &sun) || try_connect(&sun) != 0)
		return false;
	snprintf(why, why_size, "another process serves %s", path);
	return true;
}

/* The file is there: it may go only when it is a socket nobody serves. */
static bool
remove_stale(const struct sockaddr_un *sun, char *why, size_t why_size)
{
	const char *path = sun->sun_path;
	struct stat st;
	int error;

	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, why_size,
		    "admin socket %s: there is a file that is no socket", path);
		return false;
	}
	error = try_connect(sun);
	if (error == 0) {
		snprintf(why, why_size, "another process serves %s", path);
		return false;
	}
	if (error != ECONNREFUSED && error != ENOENT) {
		snprintf(why, why_size, "admin socket %s: %s", path,
		    strerror(error));
		return false;
	}
	if (unlink(path) != 0 && errno != ENOENT) {
		snprintf(why, why_size, "cannot remove the stale socket %s: %s",
		    path, strerror(errno));
		return false;
	}
	return true;
}

/* Nobody else may ever connect, not even between bind and chmod. */
static int
bind_private(int fd, const struct sockaddr_un *sun)
{
	mode_t saved = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)sun, sizeof *sun);
	int error = errno;

	umask(saved);
	errno = error;
	return rc;
}

static void
explain_bind(
    const struct sockaddr_un *sun, int error, char *why, size_t why_size)
{
	const char *path = sun->sun_path;
	char folder[sizeof sun->sun_path];

	if (error != ENOENT && error != ENOTDIR) {
		snprintf(why, why_size, "admin socket %s: %s", path,
		    strerror(error));
		return;
	}
	snprintf(folder, sizeof folder, "%s", path);
	snprintf(why, why_size, "admin socket %s: the folder %s %s", path,
	    dirname(folder),
	    error == ENOENT ? "does not exist" : "is no folder");
}

int
socket_bind_unix(
    const char *path, struct unix_socket *s, char *why, size_t why_size)
{
	struct sockaddr_un sun;
	struct stat st;

	s->fd = -1;
	s->path = NULL;
	if (!unix_address(path, &sun)) {
		snprintf(why, why_size,
		    "admin socket %s: longer than %zu bytes", path,
		    sizeof sun.sun_path - 1);
		return -1;
	}
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0) {
		snprintf(why, why_size, "admin socket %s: %s", path,
		    strerror(errno));
		return -1;
	}
	if (bind_private(s->fd, &sun) != 0) {
		if (errno != EADDRINUSE)
			goto explain;
		if (!remove_stale(&sun, why, why_size))
			goto fail;
		if (bind_private(s->fd, &sun) != 0)
			goto explain;
	}
	s->path = strdup(path);
	if (s->path == NULL || lstat(path, &st) != 0 ||
	    listen(s->fd, BACKLOG) != 0) {
		snprintf(why, why_size, "admin socket %s: %s", path,
		    strerror(errno));
		unlink(path);
		goto fail;
	}
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return 0;

explain:
	explain_bind(&sun, errno, why, why_size);
fail:
	close(s->fd);
	s->fd = -1;
	free(s->path);
	s->path = NULL;
	return -1;
}

void
socket_unlink(struct unix_socket *s)
{
	struct stat st;

	if (s->path == NULL)
		return;
	if (lstat(s->path, &st) == 0 && st.st_dev == s->device &&
	    st.st_ino == s->inode)
		unlink(s->path);
	free(s->path);
	s->path = NULL;
}

int
socket_bind_tcp(const struct address *a, char *why, size_t why_size)
{
	int fd, on = 1;

	fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (const struct sockaddr *)&a->sa, a->len) != 0 ||
	    listen(fd, BACKLOG) != 0)
		goto fail;
	return fd;

fail:
	snprintf(
	    why, why_size, "admin address %s: %s", a->text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}
