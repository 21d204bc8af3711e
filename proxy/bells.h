/*
 * How workers wake each other: a bell per worker, without a message, a lock or
 * memory to allocate. Who is rung several times before it answers wakes once.
 */
#ifndef PROXY_BELLS_H
#define PROXY_BELLS_H

struct bells;

/* They outlive all workers. NULL with errno set. */
struct bells *bells_new(unsigned nworkers);
/* NULL is fine. */
void bells_free(struct bells *b);

/* Readable when the worker is rung: it then calls bells_answer(). */
int bells_fd(const struct bells *b, unsigned worker);
/* Any thread. What was written before is seen by who answers. */
void bells_ring(struct bells *b, unsigned worker);
/* Before it looks for what it was rung for. By that worker. */
void bells_answer(struct bells *b, unsigned worker);

#endif
