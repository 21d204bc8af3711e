/*
 * c-ares on our event base, a channel for each server: within one channel it
 * would not tell a failure of a server from silence.
 */
#include "control/resolver.h"

#include <ares.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/queue.h"
#include "conf/settings.h"

#define RESOLVER_MAGIC 0xd4500001u
#define QUESTION_MAGIC 0xd4500002u
#define SERVER_MAGIC   0xd4500003u
#define CLASS_IN       1
/* Of an answer over UDP: what no path has to fragment (DNS flag day 2020). */
#define PAYLOAD_BYTES 1232
/* Of /etc/resolv.conf no more are asked. */
#define SERVERS_MAX 16u

/* A socket of c-ares that is watched. */
struct watch {
	LIST_ENTRY(watch) link;
	struct event *event;
	evutil_socket_t fd;
};

struct server {
	unsigned magic;
	struct resolver *resolver;
	ares_channel channel; /* NULL: none yet */
	struct event *timer;
	LIST_HEAD(, watch) watches;
};

struct question {
	unsigned magic;
	TAILQ_ENTRY(question) link; /* while it waits */
	struct resolver *resolver;
	enum dns_type type;
	bool search;
	unsigned first;	  /* server */
	unsigned attempt; /* from 0 on */
	bool silence;	  /* in this round a server did not answer */
	resolver_done *done;
	void *arg;
	char name[DNS_NAME_MAX];
};

struct resolver {
	unsigned magic;
	struct event_base *base;
	struct resolver_settings settings; /* without its servers */
	bool library;			   /* to be closed again */
	bool ending;
	unsigned busy; /* c-ares is at work, and may tell us things */
	struct server servers[SERVERS_MAX];
	unsigned nservers;
	unsigned preferred; /* server: it answered last */
	TAILQ_HEAD(, question) waiting;
	unsigned asked; /* under way */
};

/* Sockets and time. */

static void resolver_pump(struct resolver *r);

static void
server_process(struct server *s, ares_socket_t readable, ares_socket_t writable)
{
	struct resolver *r = s->resolver;

	r->busy++;
	ares_process_fd(s->channel, readable, writable);
	r->busy--;
	resolver_pump(r);
}

static void
server_on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	CHECK_OBJ(s, SERVER_MAGIC);
	server_process(s, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static void
server_on_time(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(s, SERVER_MAGIC);
	server_process(s, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
watch_free(struct watch *w)
{
	LIST_REMOVE(w, link);
	if (w->event != NULL)
		event_free(w->event);
	free(w);
}

/* Without memory the question ends by its timeout. */
static void
server_on_watch(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct server *s = arg;
	short what =
	    (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct watch *w;

	CHECK_OBJ(s, SERVER_MAGIC);
	LIST_FOREACH (w, &s->watches, link)
		if (w->fd == fd)
			break;
	if (w != NULL)
		watch_free(w);
	if (what == 0)
		return;
	w = calloc(1, sizeof *w);
	if (w == NULL) {
		log_error("resolver: no memory to watch a socket");
		return;
	}
	LIST_INSERT_HEAD(&s->watches, w, link);
	w->fd = fd;
	w->event = event_new(s->resolver->base, fd, (short)(what | EV_PERSIST),
	    server_on_socket, s);
	if (w->event == NULL || event_add(w->event, NULL) < 0)
		log_error("resolver: a socket cannot be watched");
}

/* Questions. */

static enum dns_outcome
outcome_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return DNS_OK;
	case ARES_ENODATA:
		return DNS_EMPTY;
	case ARES_ENOTFOUND:
		return DNS_NXDOMAIN;
	case ARES_EREFUSED:
		return DNS_REFUSED;
	case ARES_ETIMEOUT:
		return DNS_TIMEOUT;
	case ARES_EBADRESP:
	case ARES_EBADNAME:
		return DNS_MALFORMED;
	case ARES_ECONNREFUSED:
	case ARES_ENOMEM:
		return DNS_UNREACHABLE;
	case ARES_EDESTRUCTION:
	case ARES_ECANCELLED:
		return DNS_CANCELLED;
	default: /* SERVFAIL, NOTIMP, FORMERR */
		return DNS_SERVFAIL;
	}
}

static void
question_end(
    struct question *q, enum dns_outcome outcome, struct dns_answer *answer)
{
	resolver_done *done = q->done;
	void *arg = q->arg;

	q->magic = 0;
	free(q);
	done(arg, outcome, answer);
}

static unsigned
question_server(const struct question *q)
{
	return (q->first + q->attempt) % q->resolver->nservers;
}

/*
 * Whether another server is to be asked, or in another round the same ones:
 * those that did answer would say the same again.
 */
static bool
question_goes_on(struct question *q, enum dns_outcome outcome)
{
	const struct resolver *r = q->resolver;

	if (!dns_failed(outcome) || outcome == DNS_CANCELLED)
		return false;
	q->silence = q->silence || outcome == DNS_TIMEOUT;
	q->attempt++;
	if (q->attempt % r->nservers != 0)
		return true;
	if (!q->silence || q->attempt >= r->nservers * r->settings.tries)
		return false;
	q->silence = false;
	return true;
}

static void
question_on_answer(
    void *arg, int status, int timeouts, unsigned char *message, int size)
{
	struct question *q = arg;
	struct dns_answer answer = {.type = DNS_A};
	enum dns_outcome outcome = outcome_of(status);

	(void)timeouts;
	CHECK_OBJ(q, QUESTION_MAGIC);
	q->resolver->asked--;
	if (outcome == DNS_OK)
		outcome = dns_answer_read(
		    message, size > 0 ? (size_t)size : 0, q->type, &answer);
	if (!dns_failed(outcome))
		q->resolver->preferred = question_server(q);
	if (question_goes_on(q, outcome))
		TAILQ_INSERT_HEAD(&q->resolver->waiting, q, link);
	else
		question_end(q, outcome, &answer);
}

static void
question_ask(struct question *q)
{
	struct resolver *r = q->resolver;
	ares_channel channel;

	if (q->attempt == 0)
		q->first = r->preferred;
	channel = r->servers[question_server(q)].channel;
	r->asked++;
	if (q->search)
		ares_search(channel, q->name, CLASS_IN, (int)q->type,
		    question_on_answer, q);
	else
		ares_query(channel, q->name, CLASS_IN, (int)q->type,
		    question_on_answer, q);
}

static void
set_timer(struct server *s)
{
	struct timeval tv;

	if (ares_timeout(s->channel, NULL, &tv) == NULL)
		evtimer_del(s->timer);
	else if (evtimer_add(s->timer, &tv) < 0)
		log_error("resolver: no memory for a timer");
}

/* Whatever c-ares has just been told: the next questions, the next moment. */
static void
resolver_pump(struct resolver *r)
{
	struct question *q;

	if (r->busy > 0 || r->ending)
		return;
	r->busy++;
	while (r->asked < RESOLVER_PARALLEL &&
	       (q = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, q, link);
		question_ask(q);
	}
	r->busy--;
	for (unsigned i = 0; i < r->nservers; i++)
		set_timer(&r->servers[i]);
}

void
resolver_ask(struct resolver *r, const char *name, enum dns_type type,
    bool search, resolver_done *done, void *arg)
{
	struct question *q = calloc(1, sizeof *q);
	struct dns_answer none = {.type = type};
	size_t n = strlen(name);

	CHECK_OBJ(r, RESOLVER_MAGIC);
	if (q == NULL || n >= sizeof q->name || r->ending) {
		free(q);
		done(arg, r->ending ? DNS_CANCELLED : DNS_UNREACHABLE, &none);
		return;
	}
	q->magic = QUESTION_MAGIC;
	q->resolver = r;
	q->type = type;
	q->search = search;
	q->done = done;
	q->arg = arg;
	memcpy(q->name, name, n + 1);
	TAILQ_INSERT_TAIL(&r->waiting, q, link);
	resolver_pump(r);
}

/* Beginning and end. */

static struct ares_addr_port_node
server_node(const struct address *a)
{
	struct ares_addr_port_node node = {.family = a->sa.ss_family};

	node.udp_port = node.tcp_port = (int)address_port(a);
	if (node.family == AF_INET6)
		memcpy(&node.addr.addr6,
		    &((const struct sockaddr_in6 *)&a->sa)->sin6_addr,
		    sizeof node.addr.addr6);
	else
		node.addr.addr4 =
		    ((const struct sockaddr_in *)&a->sa)->sin_addr;
	return node;
}

/* With the servers and domains of /etc/resolv.conf, or without domains. */
static int
open_channel(struct server *s, bool domains)
{
	const struct resolver_settings *settings = &s->resolver->settings;
	struct ares_options o = {
	    /* a failure is ours to judge */
	    .flags =
		ARES_FLAG_EDNS | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
	    .timeout = (int)settings->timeout_ms,
	    .tries = 1,
	    .ednspsz = PAYLOAD_BYTES,
	    .sock_state_cb = server_on_watch,
	    .sock_state_cb_data = s,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;

	if (!domains)
		mask |= ARES_OPT_DOMAINS;
	return ares_init_options(&s->channel, &o, mask);
}

/* A server that asks this one only. */
static int
add_server(struct resolver *r, struct ares_addr_port_node node, bool domains)
{
	struct server *s = &r->servers[r->nservers];
	int rc;

	s->magic = SERVER_MAGIC;
	s->resolver = r;
	LIST_INIT(&s->watches);
	rc = open_channel(s, domains);
	if (rc != ARES_SUCCESS) {
		s->channel = NULL;
		return rc;
	}
	r->nservers++;
	s->timer = evtimer_new(r->base, server_on_time, s);
	if (s->timer == NULL)
		return ARES_ENOMEM;
	node.next = NULL;
	return ares_set_servers_ports(s->channel, &node);
}

static int
add_servers(struct resolver *r, const struct resolver_settings *settings)
{
	struct ares_addr_port_node *list = NULL;
	struct server first = {.magic = SERVER_MAGIC, .resolver = r};
	int rc = ARES_SUCCESS;

	for (size_t i = 0;
	     rc == ARES_SUCCESS && i < settings->nservers && i < SERVERS_MAX;
	     i++)
		rc = add_server(r, server_node(&settings->servers[i]), false);
	if (settings->nservers > 0)
		return rc;
	rc = open_channel(&first, true);
	if (rc != ARES_SUCCESS)
		return rc;
	rc = ares_get_servers_ports(first.channel, &list);
	for (const struct ares_addr_port_node *m = list;
	     rc == ARES_SUCCESS && m != NULL && r->nservers < SERVERS_MAX;
	     m = m->next)
		rc = add_server(r, *m, true);
	ares_free_data(list);
	ares_destroy(first.channel);
	return rc == ARES_SUCCESS && r->nservers == 0 ? ARES_ENOTINITIALIZED
						      : rc;
}

struct resolver *
resolver_new(struct event_base *base, const struct resolver_settings *settings,
    char *why, size_t why_size)
{
	struct resolver *r = calloc(1, sizeof *r);
	int rc = ARES_ENOMEM;

	if (r == NULL)
		goto fail;
	r->magic = RESOLVER_MAGIC;
	r->base = base;
	r->settings = *settings;
	r->settings.servers = NULL;
	TAILQ_INIT(&r->waiting);
	rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc != ARES_SUCCESS)
		goto fail;
	r->library = true;
	rc = add_servers(r, settings);
	if (rc != ARES_SUCCESS)
		goto fail;
	return r;
fail:
	snprintf(why, why_size, "%s", ares_strerror(rc));
	resolver_free(r);
	return NULL;
}

static void
server_close(struct server *s)
{
	struct watch *w;

	ares_destroy(s->channel);
	while ((w = LIST_FIRST(&s->watches)) != NULL)
		watch_free(w);
	if (s->timer != NULL)
		event_free(s->timer);
	s->magic = 0;
}

void
resolver_free(struct resolver *r)
{
	struct dns_answer none = {.type = DNS_A};
	struct question *q;

	if (r == NULL)
		return;
	CHECK_OBJ(r, RESOLVER_MAGIC);
	CHECK(r->busy == 0);
	r->ending = true;
	while ((q = TAILQ_FIRST(&r->waiting)) != NULL) {
		TAILQ_REMOVE(&r->waiting, q, link);
		question_end(q, DNS_CANCELLED, &none);
	}
	for (unsigned i = 0; i < r->nservers; i++)
		server_close(&r->servers[i]);
	if (r->library)
		ares_library_cleanup();
	r->magic = 0;
	free(r);
}
