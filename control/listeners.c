/*
 * Opening, handing out and closing the addresses we accept on, for start and
 * reload.
 */
#include "control/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/queue.h"
#include "conf/settings.h"
#include "proxy/greeting.h"
#include "proxy/listener.h"
#include "proxy/mailbox.h"

#define LISTENERS_MAGIC 0x115e0002u

enum slot_state {
	SLOT_PREPARED, /* sockets are open, workers do not know it */
	SLOT_OPEN,     /* workers accept on it */
	SLOT_CLOSING,  /* workers were told to close it */
	SLOT_CLOSED,   /* by all; its connections live on */
};

struct slot {
	TAILQ_ENTRY(slot) link;
	enum slot_state state;
	bool named;   /* by the settings that are prepared */
	bool revived; /* prepared again: was closed, had connections */
	struct listener *listener;
	struct greeting *greeting; /* prepared, held; else NULL */
	unsigned unanswered;	   /* workers that have yet to close it */
	int fds[];		   /* by worker, while prepared; -1 = none */
};

TAILQ_HEAD(slots, slot);

struct listeners {
	unsigned magic;
	unsigned nworkers;
	struct slots slots;
};

struct listeners *
listeners_new(unsigned nworkers)
{
	struct listeners *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->magic = LISTENERS_MAGIC;
	l->nworkers = nworkers;
	TAILQ_INIT(&l->slots);
	return l;
}

static struct slot *
slot_new(struct listeners *l, const struct listen_settings *settings)
{
	struct slot *s;

	s = calloc(1, sizeof(*s) + l->nworkers * sizeof(s->fds[0]));
	if (s == NULL)
		return NULL;
	s->listener = listener_new(&settings->address);
	if (s->listener == NULL) {
		free(s);
		return NULL;
	}
	s->listener->proxy_protocol = settings->proxy_protocol;
	for (unsigned i = 0; i < l->nworkers; i++)
		s->fds[i] = -1;
	s->state = SLOT_CLOSED;
	TAILQ_INSERT_TAIL(&l->slots, s, link);
	return s;
}

static void
slot_close_fds(const struct listeners *l, struct slot *s)
{
	for (unsigned i = 0; i < l->nworkers; i++) {
		if (s->fds[i] >= 0)
			close(s->fds[i]);
		s->fds[i] = -1;
	}
}

static void
slot_free(struct listeners *l, struct slot *s)
{
	TAILQ_REMOVE(&l->slots, s, link);
	slot_close_fds(l, s);
	greeting_drop(s->greeting);
	listener_free(s->listener);
	free(s);
}

void
listeners_free(struct listeners *l)
{
	struct slot *s;

	if (l == NULL)
		return;
	CHECK_OBJ(l, LISTENERS_MAGIC);
	while ((s = TAILQ_FIRST(&l->slots)) != NULL)
		slot_free(l, s);
	l->magic = 0;
	free(l);
}

/* The same address with another protocol is another listener. */
static bool
slot_is(const struct slot *s, const struct listen_settings *settings)
{
	return address_eq(&s->listener->address, &settings->address) &&
	       s->listener->proxy_protocol == settings->proxy_protocol;
}

static struct slot *
listeners_find(
    const struct listeners *l, const struct listen_settings *settings)
{
	struct slot *s;

	TAILQ_FOREACH (s, &l->slots, link)
		if (slot_is(s, settings))
			return s;
	return NULL;
}

/*
 * 0 when nobody listens on the address, else the errno of bind(2). A socket
 * without SO_REUSEPORT may not share it, so binding one tells; as it never
 * listens, it takes no connection away.
 */
static int
address_taken(const struct address *a)
{
	int fd, error = 0;

	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) <
		0 ||
	    (a->sa.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1},
		    sizeof(int)) < 0) ||
	    bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0)
		error = errno;
	close(fd);
	return error;
}

static void
say_cannot_listen(
    const struct address *a, int error, char *why, size_t why_size)
{
	snprintf(
	    why, why_size, "cannot listen on %s: %s", a->text, strerror(error));
}

/* 0, or an errno; the slot keeps what was opened. */
static int
slot_open(struct listeners *l, struct slot *s)
{
	s->revived = s->state == SLOT_CLOSED &&
		     atomic_load(&s->listener->connections) > 0;
	s->state = SLOT_PREPARED;
	for (unsigned i = 0; i < l->nworkers; i++) {
		s->fds[i] = listener_open(s->listener);
		if (s->fds[i] < 0)
			return errno;
	}
	return 0;
}

/* 0 with the slot open or prepared, or -1 with the reason in why. */
static int
listeners_open(struct listeners *l, const struct listen_settings *settings,
    char *why, size_t why_size)
{
	struct slot *s = listeners_find(l, settings);
	int error = 0;

	/* Reloads wait for the answers of the one before. */
	CHECK(s == NULL || s->state != SLOT_CLOSING);
	if (s == NULL)
		s = slot_new(l, settings);
	if (s == NULL)
		error = ENOMEM;
	else if (s->state == SLOT_CLOSED)
		error = slot_open(l, s);
	if (error != 0) {
		say_cannot_listen(&settings->address, error, why, why_size);
		return -1;
	}
	s->named = true;
	if (s->greeting == NULL)
		s->greeting = greeting_new(settings, why, why_size);
	return s->greeting != NULL ? 0 : -1;
}

int
listeners_prepare(struct listeners *l, const struct settings *settings,
    bool alone, char *why, size_t why_size)
{
	const struct address *a;
	int error;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	/* All of them first: "0.0.0.0:80" and "127.0.0.1:80" are fine
	 * together, but would not be alone. */
	for (size_t i = 0; alone && i < settings->nlisteners; i++) {
		a = &settings->listeners[i].address;
		error = address_taken(a);
		if (error != 0) {
			say_cannot_listen(a, error, why, why_size);
			goto fail;
		}
	}
	for (size_t i = 0; i < settings->nlisteners; i++)
		if (listeners_open(l, &settings->listeners[i], why, why_size) <
		    0)
			goto fail;
	return 0;

fail:
	listeners_cancel(l);
	return -1;
}

void
listeners_cancel(struct listeners *l)
{
	struct slot *s, *next;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH_SAFE (s, &l->slots, link, next) {
		greeting_drop(s->greeting);
		s->greeting = NULL;
		s->named = false;
		if (s->state != SLOT_PREPARED)
			continue;
		slot_close_fds(l, s);
		s->state = SLOT_CLOSED;
		if (!s->revived)
			slot_free(l, s);
	}
}

/* To all workers: sockets where they are new, and how to greet. */
static void
slot_hand_out(struct listeners *l, struct slot *s, enum message_kind kind,
    struct mailbox *const *workers)
{
	for (unsigned i = 0; i < l->nworkers; i++) {
		mailbox_send(
		    workers[i], &(struct message){
				    .kind = kind,
				    .fd = s->fds[i],
				    .greeting = greeting_hold(s->greeting),
				    .listener = s->listener,
				});
		s->fds[i] = -1;
	}
	greeting_drop(s->greeting);
	s->greeting = NULL;
}

void
listeners_greet(struct listeners *l, struct mailbox *const *workers)
{
	struct slot *s;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH (s, &l->slots, link)
		if (s->state == SLOT_OPEN && s->greeting != NULL)
			slot_hand_out(l, s, MSG_LISTENER_GREET, workers);
}

static void
slot_start(struct listeners *l, struct slot *s, struct mailbox *const *workers)
{
	log_info("listening on %s%s%s", s->listener->address.text,
	    s->listener->proxy_protocol ? ", PROXY protocol" : "",
	    s->greeting->tls != NULL ? ", TLS" : "");
	slot_hand_out(l, s, MSG_LISTENER_ADD, workers);
	s->state = SLOT_OPEN;
}

static void
slot_shut(struct listeners *l, struct slot *s, struct mailbox *const *workers)
{
	for (unsigned i = 0; i < l->nworkers; i++)
		mailbox_send(
		    workers[i], &(struct message){.kind = MSG_LISTENER_CLOSE,
				    .fd = -1,
				    .listener = s->listener});
	s->unanswered = l->nworkers;
	s->state = SLOT_CLOSING;
	log_info("listener %s: closing, %u connections go on",
	    s->listener->address.text,
	    (unsigned)atomic_load(&s->listener->connections));
}

void
listeners_commit(struct listeners *l, struct mailbox *const *workers)
{
	struct slot *s;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH (s, &l->slots, link) {
		if (s->state == SLOT_PREPARED)
			slot_start(l, s, workers);
		else if (s->state == SLOT_OPEN && !s->named)
			slot_shut(l, s, workers);
		s->named = false;
	}
}

void
listeners_closed(struct listeners *l, const struct listener *listener)
{
	struct slot *s;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH (s, &l->slots, link)
		if (s->listener == listener)
			break;
	CHECK(s != NULL && s->state == SLOT_CLOSING && s->unanswered > 0);
	if (--s->unanswered == 0)
		s->state = SLOT_CLOSED;
}

bool
listeners_closing(const struct listeners *l)
{
	const struct slot *s;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH (s, &l->slots, link)
		if (s->state == SLOT_CLOSING)
			return true;
	return false;
}

void
listeners_reap(struct listeners *l)
{
	struct slot *s, *next;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH_SAFE (s, &l->slots, link, next)
		if (s->state == SLOT_CLOSED &&
		    atomic_load(&s->listener->connections) == 0)
			slot_free(l, s);
}

/* The sum of its slots: an open one, and closed ones of another protocol. */
static unsigned
address_connections(const struct listeners *l, const struct address *a)
{
	const struct slot *s;
	unsigned n = 0;

	TAILQ_FOREACH (s, &l->slots, link)
		if (address_eq(&s->listener->address, a))
			n += atomic_load(&s->listener->connections);
	return n;
}

static bool
slot_is_first(const struct listeners *l, const struct slot *slot)
{
	const struct slot *s;

	TAILQ_FOREACH (s, &l->slots, link)
		if (address_eq(&s->listener->address, &slot->listener->address))
			break;
	return s == slot;
}

bool
listeners_get(const struct listeners *l, size_t i, const char **address,
    unsigned *connections)
{
	const struct slot *s;

	CHECK_OBJ(l, LISTENERS_MAGIC);
	TAILQ_FOREACH (s, &l->slots, link) {
		if (!slot_is_first(l, s) || i-- > 0)
			continue;
		*address = s->listener->address.text;
		*connections = address_connections(l, &s->listener->address);
		return true;
	}
	return false;
}
