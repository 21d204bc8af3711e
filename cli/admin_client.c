/* Talking to a running shunt through its admin socket. */
#include "cli/admin_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/document.h"
#include "base/clock.h"
#include "cli/options.h"
#include "proxy/h1_parse.h"

#define ANSWER_MAX    (64u << 20)
#define ANSWER_FIRST  4096u
#define ANSWER_FIELDS 64u
#define NOT_HTTP      "the answer is not HTTP"

/* One exchange; why is where the reason of a failure goes. */
struct exchange {
	int fd;
	unsigned seconds;
	uint64_t deadline_us;
	char *bytes;
	size_t n, room;
	char *why;
	size_t why_size;
};

void
admin_path_add(struct admin_path *p, const char *text)
{
	if (p->used < p->size)
		p->used += (size_t)snprintf(
		    p->buf + p->used, p->size - p->used, "%s", text);
}

void
admin_path_encode(struct admin_path *p, const char *segment)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *segment != '\0' && p->used < p->size; segment++)
		p->used += (size_t)snprintf(p->buf + p->used, p->size - p->used,
		    strchr(plain, *segment) != NULL ? "%c" : "%%%02X",
		    (unsigned char)*segment);
}

bool
admin_path_fits(const struct admin_path *p)
{
	return p->used < p->size;
}

bool
admin_service_path(
    const char *service, const char *rest, char *path, size_t size)
{
	struct admin_path p = {.buf = path, .size = size};

	admin_path_add(&p, "/api/v1/services/");
	admin_path_encode(&p, service);
	admin_path_add(&p, rest);
	return admin_path_fits(&p);
}

static int
fail_errno(struct exchange *x, const char *what)
{
	snprintf(x->why, x->why_size, "%s: %s", what, strerror(errno));
	return -1;
}

static int
fail_words(struct exchange *x, const char *words)
{
	snprintf(x->why, x->why_size, "%s", words);
	return -1;
}

static int
fail_late(struct exchange *x)
{
	snprintf(
	    x->why, x->why_size, "no answer within %u seconds", x->seconds);
	return -1;
}

static int
open_socket(struct exchange *x, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct timeval timeout = {ADMIN_TIMEOUT_S, 0};
	size_t n = strlen(path);

	if (n >= sizeof sun.sun_path)
		return fail_words(x, "the path is too long for a socket");
	memcpy(sun.sun_path, path, n);
	x->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (x->fd < 0)
		return fail_errno(x, "socket");
	/* Linux lets it limit connect, too. */
	setsockopt(x->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (connect(x->fd, (struct sockaddr *)&sun, sizeof sun) == 0)
		return 0;
	snprintf(x->why, x->why_size,
	    "%s (is it running? --socket or SHUNT_SOCKET names another)",
	    strerror(errno));
	return -1;
}

static int
wait_for(struct exchange *x, short events)
{
	struct pollfd pfd = {x->fd, events, 0};
	uint64_t now = clock_now_us();
	int ready;

	if (now >= x->deadline_us)
		return fail_late(x);
	ready = poll(&pfd, 1, (int)((x->deadline_us - now) / 1000) + 1);
	if (ready < 0 && errno != EINTR)
		return fail_errno(x, "poll");
	return 0;
}

static int
send_all(struct exchange *x, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent;

		if (wait_for(x, POLLOUT) != 0)
			return -1;
		sent = send(x->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (sent < 0)
			return fail_errno(x, "send");
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int
grow(struct exchange *x)
{
	size_t room = x->room > 0 ? 2 * x->room : ANSWER_FIRST;
	char *bytes;

	if (room > ANSWER_MAX)
		return fail_words(x, "the answer is too long");
	bytes = realloc(x->bytes, room);
	if (bytes == NULL)
		return fail_words(x, "out of memory");
	x->bytes = bytes;
	x->room = room;
	return 0;
}

/* 1 when there is more now, 0 at the end, -1. */
static int
receive(struct exchange *x)
{
	if (x->n == x->room && grow(x) != 0)
		return -1;
	for (;;) {
		ssize_t got;

		if (wait_for(x, POLLIN) != 0)
			return -1;
		got =
		    recv(x->fd, x->bytes + x->n, x->room - x->n, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got < 0)
			return fail_errno(x, "receive");
		x->n += (size_t)got;
		return got > 0;
	}
}

static int
receive_head(struct exchange *x, struct h1_head *head)
{
	for (;;) {
		struct span in = {x->bytes, x->n};
		int more;

		if (x->n > 0)
			switch (h1_parse_response(in, false, head)) {
			case H1_DONE:
				return 0;
			case H1_BAD:
				return fail_words(x, NOT_HTTP);
			case H1_MORE:
				break;
			}
		more = receive(x);
		if (more < 0)
			return -1;
		if (more == 0)
			return fail_words(
			    x, "it closed the connection without an answer");
	}
}

/* The answer's bytes are the caller's on success. */
static int
receive_answer(struct exchange *x, struct admin_answer *answer)
{
	struct field fields[ANSWER_FIELDS];
	struct h1_head head;
	size_t end;
	int more = 1;

	h1_head_init(&head, fields, ANSWER_FIELDS);
	if (receive_head(x, &head) != 0)
		return -1;
	if (head.body == H1_BODY_CHUNKED || head.length > ANSWER_MAX)
		return fail_words(x, "the answer's framing is not ours");
	end = head.size + (head.body == H1_BODY_LENGTH ? head.length : 0);
	while (more > 0 && (x->n < end || head.body == H1_BODY_CLOSE)) {
		more = receive(x);
		if (more < 0)
			return -1;
	}
	if (x->n < end)
		return fail_words(x, "the answer was cut short");
	if (head.body == H1_BODY_CLOSE)
		end = x->n;
	answer->status = head.status;
	answer->bytes = x->bytes;
	answer->body = (struct span){x->bytes + head.size, end - head.size};
	return 0;
}

int
admin_request(const char *socket_path, unsigned seconds, const char *method,
    const char *path, const char *body, struct admin_answer *answer, char *why,
    size_t why_size)
{
	struct exchange x = {
	    .fd = -1,
	    .seconds = seconds,
	    .deadline_us = clock_now_us() + seconds * 1000000ull,
	    .why = why,
	    .why_size = why_size,
	};
	const char *content = body != NULL ? body : "";
	char *request = NULL;
	int n, rc = -1;

	n = asprintf(&request,
	    "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, strlen(content), content);
	if (n < 0)
		return fail_words(&x, "out of memory");
	if (open_socket(&x, socket_path) == 0 &&
	    send_all(&x, request, (size_t)n) == 0)
		rc = receive_answer(&x, answer);
	free(request);
	if (rc != 0)
		free(x.bytes);
	if (x.fd >= 0)
		close(x.fd);
	return rc;
}

void
admin_answer_free(struct admin_answer *answer)
{
	free(answer->bytes);
	answer->bytes = NULL;
	answer->body = SPAN_NONE;
}

int
admin_fetch(const struct invocation *in, const char *method, const char *path,
    const char *body, struct admin_answer *answer)
{
	return admin_fetch_within(
	    in, ADMIN_TIMEOUT_S, method, path, body, answer);
}

int
admin_fetch_within(const struct invocation *in, unsigned seconds,
    const char *method, const char *path, const char *body,
    struct admin_answer *answer)
{
	char why[1024];

	if (admin_request(in->socket, seconds, method, path, body, answer, why,
		sizeof why) != 0) {
		fprintf(
		    stderr, "cannot reach shunt at %s: %s\n", in->socket, why);
		return -1;
	}
	if (answer->status == 200)
		return 0;
	if (document_error(answer->body, why, sizeof why))
		fprintf(stderr, "shunt: %s\n", why);
	else
		fprintf(stderr, "shunt: the admin API answered %d\n",
		    answer->status);
	admin_answer_free(answer);
	return -1;
}
