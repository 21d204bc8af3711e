/*
 * A worker's thread: takes messages from main, accepts connections, and runs
 * its loop until it is told to stop.
 */
#include "proxy/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/address.h"
#include "base/check.h"
#include "base/errs.h"
#include "base/field.h"
#include "base/log.h"
#include "conf/settings.h"
#include "proxy/client_table.h"
#include "proxy/conn.h"
#include "proxy/greet.h"
#include "proxy/greeting.h"
#include "proxy/listener.h"
#include "proxy/mailbox.h"
#include "proxy/plan_use.h"
#include "proxy/session.h"
#include "proxy/tls_tickets.h"
#include "proxy/txn.h"
#include "proxy/txn_cut.h"
#include "proxy/txn_mirror.h"
#include "proxy/upstream_pool.h"
#include "proxy/waiting.h"
#include "proxy/worker_state.h"

/* Accepted in a row before connections get their turn. */
#define ACCEPTS_MAX 64
/* Without file descriptors, wait this long before accepting again. */
#define ACCEPT_PAUSE_US 100000
/* One warning in so long. */
#define ACCEPT_WARN_US 10000000u

/* A listening socket of this worker. */
struct door {
	LIST_ENTRY(door) link;
	struct worker_thread *thread;
	struct listener *listener;
	struct greeting *greeting; /* held */
	struct event *event;
	int fd;
};

struct worker_thread {
	struct worker worker; /* first: what the folder shares */
	struct event_base *base;
	struct mailbox *box;
	struct access_ring *ring; /* used while the settings say so */
	struct event *reopen;	  /* ends a pause in accepting */
	LIST_HEAD(, door) doors;
	pthread_t thread;
	struct tls_tickets tickets;
	bool started;
	bool drained_told;
	uint64_t warned_us; /* when accepting last failed loudly */
};

static struct worker_thread *
thread_of(struct worker *w)
{
	CHECK_OBJ(w, WORKER_MAGIC);
	return (struct worker_thread *)w;
}

/* Connections from clients, all workers' together. */
static unsigned
connections(const struct worker_thread *wt)
{
	const struct door *d;
	unsigned n = 0;

	LIST_FOREACH (d, &wt->doors, link)
		n += atomic_load_explicit(
		    &d->listener->connections, memory_order_relaxed);
	return n;
}

/*
 * Full: say so as well as one can without reading, and close. Who expects
 * TLS would not understand it.
 */
static void
refuse(const struct door *d, int fd, enum err e)
{
	const char *body = err_line(e);
	char answer[256];
	int n;

	n = snprintf(answer, sizeof answer,
	    "HTTP/1.1 503 Service Unavailable\r\n"
	    "Content-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n"
	    "Retry-After: 1\r\n"
	    "Connection: close\r\n"
	    "\r\n"
	    "%s",
	    strlen(body), body);
	CHECK(n > 0 && (size_t)n < sizeof answer);
	if (d->greeting->tls == NULL &&
	    send(fd, answer, (size_t)n, MSG_NOSIGNAL) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

static void
pause_accepting(struct worker_thread *wt, int error)
{
	const struct timeval soon = {0, ACCEPT_PAUSE_US};
	uint64_t now = loop_now(&wt->worker.loop);
	struct door *d;

	if (now - wt->warned_us >= ACCEPT_WARN_US || wt->warned_us == 0) {
		log_warn("worker %u: cannot accept: %s; pausing",
		    wt->worker.index, strerror(error));
		wt->warned_us = now;
	}
	LIST_FOREACH (d, &wt->doors, link)
		event_del(d->event);
	event_add(wt->reopen, &soon);
}

static void
on_reopen(evutil_socket_t fd, short what, void *arg)
{
	struct worker_thread *wt = arg;
	struct door *d;

	(void)fd;
	(void)what;
	LIST_FOREACH (d, &wt->doors, link)
		event_add(d->event, NULL);
}

/*
 * Counts a connection of the address, where there is a limit. Behind a
 * balancer that names its clients this is done once the client is known.
 */
static bool
admit(const struct door *d, const struct sockaddr_storage *peer, bool *counted)
{
	const struct worker *w = &d->thread->worker;
	uint32_t limit = w->settings->limits.connections_per_client;
	char ip[INET6_ADDRSTRLEN];
	const void *address = &((const struct sockaddr_in *)peer)->sin_addr;

	*counted = limit > 0 && !d->listener->proxy_protocol;
	if (!*counted)
		return true;
	if (peer->ss_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)peer)->sin6_addr;
	if (client_table_enter(
		w->client_table, peer->ss_family, address, limit))
		return true;
	address_ip(peer, ip, sizeof ip);
	log_debug("client %s: refused: %s", ip, err_words(ERR_CLIENT_LIMIT));
	return false;
}

/* One connection; false when there is none waiting, or none can be taken. */
static bool
accept_one(struct door *d)
{
	struct worker_thread *wt = d->thread;
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	bool counted;
	int fd;

	fd = accept4(d->fd, (struct sockaddr *)&peer, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if ((errno == EMFILE || errno == ENFILE) &&
		    txn_mirror_yield(&wt->worker))
			return true;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			pause_accepting(wt, errno);
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (connections(wt) >= wt->worker.settings->limits.connections)
		refuse(d, fd, ERR_OVERLOADED);
	else if (!admit(d, &peer, &counted))
		refuse(d, fd, ERR_CLIENT_LIMIT);
	else
		greet_accept(
		    &wt->worker, d->listener, d->greeting, fd, &peer, counted);
	return true;
}

static void
listener_on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct door *d = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPTS_MAX; i++)
		if (!accept_one(d))
			return;
}

static void
door_open(struct worker_thread *wt, const struct message *m)
{
	struct door *d = calloc(1, sizeof *d);

	CHECK(d != NULL);
	d->thread = wt;
	d->listener = m->listener;
	d->greeting = m->greeting;
	d->fd = m->fd;
	d->event = event_new(
	    wt->base, d->fd, EV_READ | EV_PERSIST, listener_on_accept, d);
	CHECK(d->event != NULL && event_add(d->event, NULL) == 0);
	LIST_INSERT_HEAD(&wt->doors, d, link);
}

static void
door_free(struct door *d)
{
	event_free(d->event);
	close(d->fd);
	greeting_drop(d->greeting);
	LIST_REMOVE(d, link);
	free(d);
}

static struct door *
door_find(const struct worker_thread *wt, const struct listener *l)
{
	struct door *d;

	LIST_FOREACH (d, &wt->doors, link)
		if (d->listener == l)
			break;
	return d;
}

static void
door_greet(struct worker_thread *wt, const struct message *m)
{
	struct door *d = door_find(wt, m->listener);

	if (d == NULL) { /* draining: it is closed */
		greeting_drop(m->greeting);
		return;
	}
	greeting_drop(d->greeting);
	d->greeting = m->greeting;
}

/* Those who wait in the queue were promised a connection: take them first. */
static void
door_close(struct worker_thread *wt, const struct listener *l)
{
	struct door *d = door_find(wt, l);

	if (d == NULL)
		return;
	while (accept_one(d))
		;
	door_free(d);
}

static void
tell_main(struct worker_thread *wt, struct message m)
{
	m.worker = wt->worker.index;
	mailbox_send(wt->worker.to_main, &m);
}

/* The access log's ring, where there is a log. */
static void
use_ring(struct worker_thread *wt)
{
	struct worker *w = &wt->worker;

	w->log = w->settings->access_log.path != NULL ? wt->ring : NULL;
}

/* Room for heads of so many fields; less is kept. -1 without memory. */
static int
fit_fields(struct worker *w, unsigned nfields)
{
	size_t room = (size_t)nfields + WORKER_FIELDS_ADDED;
	struct field *grown;

	if (w->fields != NULL && nfields <= w->nfields)
		return 0;
	grown = reallocarray(w->fields, room, sizeof *grown);
	if (grown == NULL)
		return -1;
	w->fields = grown;
	grown = reallocarray(w->edited, room, sizeof *grown);
	if (grown == NULL)
		return -1;
	w->edited = grown;
	return 0;
}

static void
take_plan(struct worker_thread *wt, const struct message *m)
{
	struct worker *w = &wt->worker;
	unsigned nfields = m->settings->limits.header_count;

	CHECK(plan_use_set(w, m->plan) == 0);
	w->settings = m->settings;
	use_ring(wt);
	CHECK(fit_fields(w, nfields) == 0);
	w->nfields = nfields;
	CHECK(loop_fit_heads(&w->loop, w->settings->limits.header_bytes) == 0);
	waiting_take_plan(w);
	upstream_pool_prune(w);
	tls_clients_prune(&w->tls_clients);
	tell_main(wt, (struct message){.kind = MSG_PLAN_TAKEN});
}

static void
cut_pod(struct worker_thread *wt, const struct message *m)
{
	unsigned n = txn_cut(&wt->worker, m->pod, m->everything);

	tell_main(wt, (struct message){
			  .kind = MSG_POD_WAS_CUT,
			  .pod = m->pod,
			  .cut = n,
		      });
}

static void
drain(struct worker_thread *wt)
{
	struct worker *w = &wt->worker;
	struct session *s, *next;
	struct door *d;

	if (w->draining)
		return;
	while ((d = LIST_FIRST(&wt->doors)) != NULL)
		door_close(wt, d->listener);
	w->draining = true;
	waiting_drain(w);
	txn_mirror_drop_all(w);
	upstream_pool_close(w);
	TAILQ_FOREACH_SAFE (s, &w->sessions, link, next)
		s->ops->drain(s);
}

static void
worker_on_message(void *arg, const struct message *m)
{
	struct worker_thread *wt = arg;

	CHECK_OBJ(&wt->worker, WORKER_MAGIC);
	switch (m->kind) {
	case MSG_PLAN:
		take_plan(wt, m);
		return;
	case MSG_LISTENER_ADD:
		door_open(wt, m);
		return;
	case MSG_LISTENER_GREET:
		door_greet(wt, m);
		return;
	case MSG_LISTENER_CLOSE:
		door_close(wt, m->listener);
		tell_main(wt, (struct message){
				  .kind = MSG_LISTENER_CLOSED,
				  .listener = m->listener,
			      });
		return;
	case MSG_POD_CUT:
		cut_pod(wt, m);
		return;
	case MSG_DRAIN:
		drain(wt);
		return;
	case MSG_STOP:
		wt->worker.stopping = true;
		return;
	case MSG_PLAN_TAKEN:
	case MSG_PLAN_LEFT:
	case MSG_POD_IDLE:
	case MSG_POD_WAS_CUT:
	case MSG_LISTENER_CLOSED:
	case MSG_DRAINED:
	case MSG_POD_FAILS:
		break;
	}
	WRONG("a message that is not for workers");
}

static void *
worker_main(void *arg)
{
	struct worker_thread *wt = arg;
	struct worker *w = &wt->worker;
	char name[16];

	snprintf(name, sizeof name, "worker-%u", w->index);
	pthread_setname_np(pthread_self(), name);
	while (!w->stopping) {
		if (loop_turn(&w->loop) < 0) {
			log_error("worker %u: the event loop failed: %s",
			    w->index, strerror(errno));
			abort();
		}
		if (w->draining && w->nsessions == 0 && !wt->drained_told) {
			wt->drained_told = true;
			tell_main(wt, (struct message){.kind = MSG_DRAINED});
		}
	}
	return NULL;
}

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_require_features(config, EV_FEATURE_ET);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct worker *
worker_new(unsigned index, struct mailbox *to_main, struct plan *plan,
    const struct settings *settings, struct access_ring *ring,
    struct client_table *client_table, struct bells *bells,
    const uint8_t ticket_seed[TLS_TICKETS_SEED])
{
	struct worker_thread *wt = calloc(1, sizeof *wt);
	struct worker *w;

	if (wt == NULL)
		return NULL;
	w = &wt->worker;
	w->magic = WORKER_MAGIC;
	w->index = index;
	w->to_main = to_main;
	w->settings = settings;
	w->client_table = client_table;
	wt->ring = ring;
	use_ring(wt);
	w->nfields = settings->limits.header_count;
	TAILQ_INIT(&w->sessions);
	TAILQ_INIT(&w->idle);
	TAILQ_INIT(&w->shadows);
	TAILQ_INIT(&w->trunks);
	TAILQ_INIT(&w->tls_clients.clients);
	TAILQ_INIT(&w->vacancy.queues);
	STAILQ_INIT(&w->loop.dead);
	wt->base = new_base();
	if (fit_fields(w, w->nfields) < 0 || wt->base == NULL ||
	    loop_init(&w->loop, wt->base, settings->limits.header_bytes) < 0 ||
	    tls_wire_init(&w->loop.tls, w->loop.scratch_size, &wt->tickets) <
		0 ||
	    waiting_init(w, bells) < 0 || plan_use_set(w, plan) < 0)
		goto fail;
	tls_tickets_init(&wt->tickets, ticket_seed, loop_now(&w->loop));
	loop_set_expired(&w->loop, conn_on_deadline);
	wt->reopen = event_new(wt->base, -1, 0, on_reopen, wt);
	wt->box = mailbox_new(wt->base, worker_on_message, wt);
	if (wt->reopen == NULL || wt->box == NULL)
		goto fail;
	return w;
fail:
	worker_free(w);
	return NULL;
}

int
worker_start(struct worker *w)
{
	struct worker_thread *wt = thread_of(w);
	sigset_t all, before;
	int error;

	/* signals are main's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&wt->thread, NULL, worker_main, wt);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	wt->started = true;
	return 0;
}

struct mailbox *
worker_mailbox(struct worker *w)
{
	return thread_of(w)->box;
}

uint64_t
worker_h2_floods(const struct worker *w, enum h2_flood flood)
{
	CHECK_OBJ(w, WORKER_MAGIC);
	return atomic_load_explicit(&w->h2_floods[flood], memory_order_relaxed);
}

void
worker_free(struct worker *w)
{
	struct worker_thread *wt = thread_of(w);
	struct session *s, *next;
	struct door *d;

	if (wt->started)
		pthread_join(wt->thread, NULL);
	w->stopping = true;
	w->draining = true;
	txn_mirror_drop_all(w);
	TAILQ_FOREACH_SAFE (s, &w->sessions, link, next)
		s->ops->close(s);
	upstream_pool_close(w);
	while ((d = LIST_FIRST(&wt->doors)) != NULL)
		door_free(d);
	plan_use_fini(w);
	waiting_fini(w);
	loop_fini(&w->loop);
	h2_memory_fini(&w->h2_memory);
	tls_wire_fini(&w->loop.tls);
	tls_clients_free(&w->tls_clients);
	txn_fini(w);
	mailbox_free(wt->box);
	if (wt->reopen != NULL)
		event_free(wt->reopen);
	if (wt->base != NULL)
		event_base_free(wt->base);
	free(w->fields);
	free(w->edited);
	w->magic = 0;
	free(wt);
}
