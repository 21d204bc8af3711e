/* Accepted connections: counted, listed, handed on, closed. */
#include "proxy/session.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "conf/settings.h"
#include "proxy/client_table.h"
#include "proxy/conn.h"
#include "proxy/greeting.h"
#include "proxy/listener.h"
#include "proxy/worker_state.h"

void
session_set_peer(struct session *s, const struct sockaddr_storage *peer)
{
	s->family = (uint8_t)peer->ss_family;
	if (peer->ss_family == AF_INET)
		memcpy(s->address,
		    &((const struct sockaddr_in *)peer)->sin_addr, 4);
	else
		memcpy(s->address,
		    &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
}

bool
session_count(struct session *s)
{
	uint32_t limit = session_settings(s)->limits.connections_per_client;

	if (limit == 0)
		return true;
	s->counted = client_table_enter(
	    s->worker->client_table, s->family, s->address, limit);
	return s->counted;
}

static void
session_uncount(struct session *s)
{
	if (s->counted)
		client_table_leave(
		    s->worker->client_table, s->family, s->address);
	s->counted = false;
}

bool
session_open(struct session *s, struct worker *w, struct listener *l,
    struct greeting *g, int fd, const struct sockaddr_storage *peer,
    bool counted)
{
	*s = (struct session){
	    .magic = SESSION_MAGIC,
	    .counted = counted,
	    .worker = w,
	    .listener = l,
	};
	session_set_peer(s, peer);
	s->conn = conn_new(&w->loop, fd);
	if (s->conn == NULL) {
		session_uncount(s);
		return false;
	}
	s->greeting = greeting_hold(g);
	return true;
}

void
session_list(struct session *s, const struct session_ops *ops)
{
	struct worker *w = s->worker;

	CHECK_OBJ(s, SESSION_MAGIC);
	CHECK(s->ops == NULL);
	s->ops = ops;
	TAILQ_INSERT_TAIL(&w->sessions, s, link);
	w->nsessions++;
	atomic_fetch_add_explicit(
	    &s->listener->connections, 1, memory_order_relaxed);
}

static void
session_leave(struct session *s)
{
	struct worker *w = s->worker;

	CHECK_OBJ(s, SESSION_MAGIC);
	CHECK(s->ops != NULL);
	s->ops = NULL;
	TAILQ_REMOVE(&w->sessions, s, link);
	w->nsessions--;
	atomic_fetch_sub_explicit(
	    &s->listener->connections, 1, memory_order_relaxed);
}

void
session_unlist(struct session *s, struct session *to)
{
	session_leave(s);
	*to = *s;
	s->counted = false;
	s->conn = NULL;
}

void
session_discard(struct session *s)
{
	conn_close(s->conn);
	session_uncount(s);
	greeting_drop(s->greeting);
	s->greeting = NULL;
}

void
session_close(struct session *s, void (*free_it)(struct dead *d))
{
	session_leave(s);
	session_discard(s);
	loop_bury(&s->worker->loop, &s->dead, free_it);
}

static char *
put_byte(char *p, uint8_t n)
{
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

struct span
session_address(const struct session *s)
{
	return (struct span){
	    (const char *)s->address, s->family == AF_INET ? 4 : 16};
}

/* Done for every request: inet_ntop() would cost more than all the parsing. */
struct span
session_ip(const struct session *s, char *buf)
{
	char *p = buf;

	if (s->family != AF_INET) {
		inet_ntop(AF_INET6, s->address, buf, INET6_ADDRSTRLEN);
		return span_of(buf);
	}
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = '.';
		p = put_byte(p, s->address[i]);
	}
	return (struct span){buf, (size_t)(p - buf)};
}

struct loop *
session_loop(const struct session *s)
{
	return &s->worker->loop;
}

const struct settings *
session_settings(const struct session *s)
{
	return s->worker->settings;
}

void
session_timeout(struct session *s, uint64_t us)
{
	conn_deadline(s->conn, loop_now(session_loop(s)) + us);
}
