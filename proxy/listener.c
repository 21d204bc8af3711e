/* Opening listening sockets. */
#include "proxy/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define LISTENER_BACKLOG 4096

struct listener *
listener_new(const struct address *address)
{
	struct listener *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->magic = LISTENER_MAGIC;
	l->address = *address;
	return l;
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	CHECK_OBJ(l, LISTENER_MAGIC);
	l->magic = 0;
	free(l);
}

int
listener_open(const struct listener *l)
{
	const int one = 1;
	int fd, saved;

	CHECK_OBJ(l, LISTENER_MAGIC);
	fd = socket(l->address.sa.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* accepted sockets inherit TCP_NODELAY: no system call for each */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
		goto fail;
	if (l->address.sa.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0)
		goto fail;
	if (bind(fd, (const struct sockaddr *)&l->address.sa, l->address.len) <
		0 ||
	    listen(fd, LISTENER_BACKLOG) < 0)
		goto fail;
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
