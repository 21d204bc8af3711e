/* Edge-triggered epoll and its sockets, for the relay and the origin. */
#include "bench/loop.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define BACKLOG	   4096

int
loop_new(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

bool
loop_watch(int loop, int fd, struct watch *w)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	    .data.ptr = w,
	};

	return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ev) == 0;
}

int
loop_run(int loop, void (*on_turn_over)(void))
{
	struct epoll_event events[EVENTS_MAX];
	struct watch *w;

	for (;;) {
		int n = epoll_wait(loop, events, EVENTS_MAX, -1);

		if (n < 0 && errno != EINTR)
			return -1;
		for (int i = 0; i < n; i++) {
			w = events[i].data.ptr;
			w->on_event(w, events[i].events);
		}
		on_turn_over();
	}
}

static bool
read_back(int fd, struct address *a)
{
	char ip[ADDRESS_TEXT_MAX];
	bool v6 = a->sa.ss_family == AF_INET6;
	in_port_t port;

	if (getsockname(fd, (struct sockaddr *)&a->sa, &a->len) != 0)
		return false;
	port = v6 ? ((struct sockaddr_in6 *)&a->sa)->sin6_port
		  : ((struct sockaddr_in *)&a->sa)->sin_port;
	address_ip(&a->sa, ip, sizeof ip);
	return snprintf(a->text, sizeof a->text, v6 ? "[%s]:%u" : "%s:%u", ip,
		   ntohs(port)) < (int)sizeof a->text;
}

int
loop_listen(struct address *a)
{
	int on = 1;
	int fd = socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (struct sockaddr *)&a->sa, a->len) != 0 ||
	    listen(fd, BACKLOG) != 0 || !read_back(fd, a)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
without_delay(int fd)
{
	int on = 1;

	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

int
loop_accept(int listener)
{
	return without_delay(
	    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int
loop_connect(const struct address *a)
{
	int fd = without_delay(socket(
	    a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}
