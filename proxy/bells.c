/* An eventfd per worker, written once until it is answered. */
#include "proxy/bells.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

#define BELLS_MAGIC 0xbe115001u

struct bell {
	alignas(64) _Atomic bool rung; /* the fd is readable, or soon */
	int fd;
};

struct bells {
	unsigned magic;
	unsigned n;
	struct bell bells[];
};

struct bells *
bells_new(unsigned nworkers)
{
	struct bells *b = aligned_alloc(
	    alignof(struct bells), sizeof *b + nworkers * sizeof b->bells[0]);

	if (b == NULL)
		return NULL;
	b->magic = BELLS_MAGIC;
	for (b->n = 0; b->n < nworkers; b->n++) {
		struct bell *bell = &b->bells[b->n];

		atomic_init(&bell->rung, false);
		bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (bell->fd < 0) {
			bells_free(b);
			return NULL;
		}
	}
	return b;
}

void
bells_free(struct bells *b)
{
	if (b == NULL)
		return;
	CHECK_OBJ(b, BELLS_MAGIC);
	for (unsigned i = 0; i < b->n; i++)
		close(b->bells[i].fd);
	b->magic = 0;
	free(b);
}

int
bells_fd(const struct bells *b, unsigned worker)
{
	CHECK_OBJ(b, BELLS_MAGIC);
	CHECK(worker < b->n);
	return b->bells[worker].fd;
}

void
bells_ring(struct bells *b, unsigned worker)
{
	const uint64_t one = 1;

	CHECK_OBJ(b, BELLS_MAGIC);
	CHECK(worker < b->n);
	if (atomic_exchange(&b->bells[worker].rung, true))
		return;
	if (write(b->bells[worker].fd, &one, sizeof one) < 0 && errno != EAGAIN)
		WRONG("a bell cannot be rung");
}

void
bells_answer(struct bells *b, unsigned worker)
{
	uint64_t count;

	CHECK_OBJ(b, BELLS_MAGIC);
	CHECK(worker < b->n);
	if (read(b->bells[worker].fd, &count, sizeof count) < 0 &&
	    errno != EAGAIN)
		WRONG("a bell cannot be answered");
	atomic_store(&b->bells[worker].rung, false);
}
