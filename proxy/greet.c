/* Finding out what a connection speaks, and handing it to who does. */
#include "proxy/greet.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "conf/settings.h"
#include "proxy/client_h1.h"
#include "proxy/client_h2.h"
#include "proxy/conn.h"
#include "proxy/fifo.h"
#include "proxy/greeting.h"
#include "proxy/listener.h"
#include "proxy/proxy_header.h"
#include "proxy/session.h"
#include "proxy/tls.h"
#include "proxy/worker_state.h"

enum greet_state {
	GREET_ANNOUNCE, /* a PROXY header must come first */
	GREET_SECURE,	/* the TLS handshake runs */
	GREET_OVER,
};

struct greet {
	struct session session; /* first: its ops get this */
	enum greet_state state;
	struct fifo in; /* an incomplete PROXY header */
};

static void
greet_free(struct dead *d)
{
	struct greet *g =
	    (struct greet *)((char *)d - offsetof(struct greet, session.dead));

	CHECK_OBJ(&g->session, SESSION_MAGIC);
	g->session.magic = 0;
	fifo_free(&g->in);
	free(g);
}

static void
greet_close(struct session *s)
{
	struct greet *g = (struct greet *)s;

	CHECK_OBJ(s, SESSION_MAGIC);
	if (g->state == GREET_OVER)
		return;
	g->state = GREET_OVER;
	session_close(s, greet_free);
}

/* The session moves out; what is left goes with the turn. */
static void
greet_leave(struct greet *g, struct session *s)
{
	g->state = GREET_OVER;
	session_unlist(&g->session, s);
	loop_bury(session_loop(s), &g->session.dead, greet_free);
}

/* What it speaks is known; `early` of it was read already. */
static void
greet_done(struct greet *g, struct span early)
{
	struct session s;

	greet_leave(g, &s);
	if (conn_tls_h2(s.conn))
		client_h2_begin(&s, early);
	else
		client_h1_begin(&s, early);
}

static void
greet_secure(struct greet *g, struct span early)
{
	struct session *s = &g->session;
	struct tls *tls = tls_accept(&session_loop(s)->tls, s->greeting->tls);

	if (tls == NULL) {
		greet_close(s);
		return;
	}
	g->state = GREET_SECURE;
	conn_secure(s->conn, tls, early);
}

/* The client is known now. */
static void
greet_announced(struct greet *g, struct span early)
{
	struct session s;

	if (!session_count(&g->session)) {
		greet_leave(g, &s);
		if (s.greeting->tls != NULL) /* nobody to tell in clear text */
			session_discard(&s);
		else
			client_h1_refuse(&s, ERR_CLIENT_LIMIT);
	} else if (g->session.greeting->tls != NULL) {
		greet_secure(g, early);
	} else {
		greet_done(g, early);
	}
}

static void
greet_read(struct greet *g)
{
	struct session *s = &g->session;
	struct loop *l = session_loop(s);
	int64_t n = conn_read(s->conn, l->scratch, l->scratch_size);
	struct proxy_header h;
	struct span in;

	if (n == -1 || g->state != GREET_ANNOUNCE)
		return;
	if (n <= 0 ||
	    !fifo_append(&g->in, (struct span){l->scratch, (size_t)n})) {
		greet_close(s);
		return;
	}
	in = fifo_span(&g->in);
	switch (proxy_header_parse(in, &h)) {
	case H1_MORE:
		return;
	case H1_BAD: /* nobody speaks HTTP here: there is no one to answer */
		greet_close(s);
		return;
	case H1_DONE:
		break;
	}
	if (h.source.ss_family != AF_UNSPEC)
		session_set_peer(s, &h.source);
	greet_announced(g, (struct span){in.p + h.size, in.n - h.size});
}

static void
greet_on_event(void *owner, enum conn_event event)
{
	struct greet *g = owner;
	char ip[INET6_ADDRSTRLEN];
	const char *reason;

	CHECK_OBJ(&g->session, SESSION_MAGIC);
	switch (event) {
	case CONN_READABLE:
		while (g->state == GREET_ANNOUNCE &&
		       conn_readable(g->session.conn))
			greet_read(g);
		return;
	case CONN_CONNECTED:
		greet_done(g, SPAN_NONE);
		return;
	case CONN_FAILED:
	case CONN_TIMEOUT:
		if (g->state == GREET_SECURE) {
			reason = conn_tls_reason(g->session.conn);
			session_ip(&g->session, ip);
			log_debug("client %s: TLS: %s", ip,
			    reason[0] != '\0' ? reason : "not completed");
		}
		greet_close(&g->session);
		return;
	case CONN_BLOCKED:
	case CONN_PROGRESS:
	case CONN_DRAINED:
		return;
	}
}

static void
greet_drain(struct session *s)
{
	(void)s; /* its deadline is near, and what follows is drained */
}

static const struct session_ops greet_ops = {
    .drain = greet_drain,
    .close = greet_close,
};

void
greet_accept(struct worker *w, struct listener *l, struct greeting *greeting,
    int fd, const struct sockaddr_storage *peer, bool counted)
{
	struct session s;
	struct greet *g;

	if (!session_open(&s, w, l, greeting, fd, peer, counted))
		return;
	if (!l->proxy_protocol && greeting->tls == NULL) {
		client_h1_begin(&s, SPAN_NONE);
		return;
	}
	g = calloc(1, sizeof *g);
	if (g == NULL) {
		session_discard(&s);
		return;
	}
	g->session = s;
	conn_own(s.conn, greet_on_event, g);
	session_list(&g->session, &greet_ops);
	session_timeout(&g->session,
	    (uint64_t)session_settings(&s)->timeouts.header * 1000u);
	if (l->proxy_protocol)
		g->state = GREET_ANNOUNCE;
	else
		greet_secure(g, SPAN_NONE);
}
