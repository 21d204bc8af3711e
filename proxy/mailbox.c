/* A locked queue with an eventfd; the lock is never on the request path. */
#include "proxy/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/queue.h"

#define MAILBOX_MAGIC 0x3a11b001u

struct letter {
	STAILQ_ENTRY(letter) link;
	struct message message;
};

STAILQ_HEAD(letters, letter);

struct mailbox {
	unsigned magic;
	int fd;
	struct event *event;
	mailbox_handler *handle;
	void *arg;
	pthread_mutex_t lock;
	struct letters letters; /* under lock */
};

static void
mailbox_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct mailbox *m = arg;
	struct letters mine = STAILQ_HEAD_INITIALIZER(mine);
	struct letter *l;
	uint64_t count;

	CHECK_OBJ(m, MAILBOX_MAGIC);
	(void)what;
	if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
		WRONG("eventfd cannot be read");
	pthread_mutex_lock(&m->lock);
	STAILQ_CONCAT(&mine, &m->letters);
	pthread_mutex_unlock(&m->lock);
	while ((l = STAILQ_FIRST(&mine)) != NULL) {
		STAILQ_REMOVE_HEAD(&mine, link);
		m->handle(m->arg, &l->message);
		free(l);
	}
}

struct mailbox *
mailbox_new(struct event_base *base, mailbox_handler *handle, void *arg)
{
	struct mailbox *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->magic = MAILBOX_MAGIC;
	m->handle = handle;
	m->arg = arg;
	STAILQ_INIT(&m->letters);
	pthread_mutex_init(&m->lock, NULL);
	m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->fd < 0)
		goto fail;
	m->event =
	    event_new(base, m->fd, EV_READ | EV_PERSIST, mailbox_on_event, m);
	if (m->event == NULL || event_add(m->event, NULL) < 0)
		goto fail;
	return m;
fail:
	mailbox_free(m);
	return NULL;
}

void
mailbox_free(struct mailbox *m)
{
	struct letter *l;

	if (m == NULL)
		return;
	CHECK_OBJ(m, MAILBOX_MAGIC);
	m->magic = 0;
	if (m->event != NULL)
		event_free(m->event);
	if (m->fd >= 0)
		close(m->fd);
	while ((l = STAILQ_FIRST(&m->letters)) != NULL) {
		STAILQ_REMOVE_HEAD(&m->letters, link);
		free(l);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void
mailbox_send(struct mailbox *m, const struct message *message)
{
	struct letter *l = malloc(sizeof *l);
	const uint64_t one = 1;

	CHECK_OBJ(m, MAILBOX_MAGIC);
	CHECK(l != NULL); /* a lost message would leave the threads disagreed */
	l->message = *message;
	pthread_mutex_lock(&m->lock);
	STAILQ_INSERT_TAIL(&m->letters, l, link);
	pthread_mutex_unlock(&m->lock);
	if (write(m->fd, &one, sizeof one) < 0 && errno != EAGAIN)
		WRONG("eventfd cannot be written");
}
