/* Whether a process takes connections: by making one. */
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/launch_slot.h"

/*
 * A socket that dials a free port of its own machine may be given that very
 * port, and then has dialled itself.
 */
static bool
is_itself(int fd)
{
	struct address here = {0}, there = {0};

	here.len = there.len = sizeof here.sa;
	return getsockname(fd, (struct sockaddr *)&here.sa, &here.len) == 0 &&
	       getpeername(fd, (struct sockaddr *)&there.sa, &there.len) == 0 &&
	       here.sa.ss_family != AF_UNIX && address_eq(&here, &there);
}

void
slot_knock_end(struct launch_slot *s)
{
	if (s->knock < 0)
		return;
	event_del(&s->knocked);
	close(s->knock);
	s->knock = -1;
}

static void
on_knocked(evutil_socket_t fd, short what, void *arg)
{
	struct launch_slot *s = arg;
	int error = 0;
	socklen_t size = sizeof error;
	bool open;

	open = (what & EV_WRITE) != 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
	       error == 0 && !is_itself((int)fd);
	slot_knock_end(s);
	slot_on_knock(s, open);
}

void
slot_knock(struct launch_slot *s)
{
	const struct address *a = &s->address;
	struct timeval second = {1, 0};
	bool open = false;
	int fd;

	slot_knock_end(s);
	fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		slot_on_knock(s, false);
		return;
	}
	s->knock = fd;
	event_assign(&s->knocked, s->version->launch->parts.base, fd, EV_WRITE,
	    on_knocked, s);
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) == 0)
		open = !is_itself(fd);
	else if (errno == EINPROGRESS && event_add(&s->knocked, &second) == 0)
		return;
	else /* a Unix socket whose queue is full */
		open = errno == EAGAIN;
	slot_knock_end(s);
	slot_on_knock(s, open);
}
