/*
 * Pipes for splice(2): bytes go from socket to socket without being copied
 * into the process. A worker keeps a few emptied ones. One thread.
 */
#ifndef PROXY_PIPE_H
#define PROXY_PIPE_H

#include <stddef.h>

struct pipe {
	int in, out;
	size_t bytes; /* in it now */
	struct pipe *next;
};

struct pipe_pool {
	struct pipe *spare;
	unsigned nspare;
};

/* An empty pipe; NULL with errno set. */
struct pipe *pipe_take(struct pipe_pool *pool);
/* Kept for the next one when it is empty, else closed. */
void pipe_give(struct pipe_pool *pool, struct pipe *p);
void pipe_pool_fini(struct pipe_pool *pool);

#endif
