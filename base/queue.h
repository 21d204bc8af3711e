/* The BSD lists, with the walkers that glibc leaves out. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stddef.h>
#include <sys/queue.h>

/* The body may remove and free `var`. */
#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, tmp)                  \
	for ((var) = TAILQ_FIRST(head);                            \
	     (var) != NULL && ((tmp) = TAILQ_NEXT(var, field), 1); \
	     (var) = (tmp))
#endif

#endif
