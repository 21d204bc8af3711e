/*
 * Typed messages between threads: a queue and an eventfd per thread. Sending
 * is safe from any thread; the handler runs in the owner's event loop, in
 * the order of sending.
 */
#ifndef PROXY_MAILBOX_H
#define PROXY_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct greeting;
struct listener;
struct plan;
struct pod;
struct settings;

enum message_kind {
	/* main -> worker */
	MSG_PLAN,	    /* use this plan and these settings from now on */
	MSG_LISTENER_ADD,   /* accept on it; the worker owns its fd and its
			     * hold on the greeting now */
	MSG_LISTENER_GREET, /* this greeting from now on; held likewise */
	MSG_LISTENER_CLOSE, /* close the fd, keep its connections */
	MSG_POD_CUT,	    /* end tunnels to the pod, or everything */
	MSG_DRAIN,	    /* finish what is in flight, then say so */
	MSG_STOP,	    /* leave the loop; connections are cut */
	/* worker -> main */
	MSG_PLAN_TAKEN,	 /* in answer to MSG_PLAN */
	MSG_PLAN_LEFT,	 /* the last request on this plan is over */
	MSG_POD_IDLE,	 /* a pod that is gone has nothing in flight here */
	MSG_POD_WAS_CUT, /* in answer to MSG_POD_CUT */
	MSG_LISTENER_CLOSED,
	MSG_DRAINED,   /* no client connection is left */
	MSG_POD_FAILS, /* one has: see router/outlier.h */
};

struct message {
	enum message_kind kind;
	unsigned worker; /* worker -> main: who sends */
	int fd;		 /* MSG_LISTENER_ADD */
	struct greeting *greeting;
	struct plan *plan;
	const struct settings *settings;
	struct listener *listener;
	struct pod *pod; /* main keeps it until it was answered */
	unsigned cut;	 /* MSG_POD_WAS_CUT: that many */
	bool everything; /* MSG_POD_CUT: not tunnels only */
};

struct mailbox;
typedef void mailbox_handler(void *arg, const struct message *m);

/* Belongs to the thread that runs the base. NULL with errno set. */
struct mailbox *mailbox_new(
    struct event_base *base, mailbox_handler *handle, void *arg);
/* Unread messages are dropped. */
void mailbox_free(struct mailbox *m);
/* Any thread; the message is copied. */
void mailbox_send(struct mailbox *m, const struct message *message);

#endif
