/* Making, keeping and closing pipes. */
#include "proxy/pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define SPARES_MAX 32u
/* Larger than the default of 64 KiB: fewer calls for a large body. */
#define PIPE_SIZE (512 * 1024)

struct pipe *
pipe_take(struct pipe_pool *pool)
{
	struct pipe *p = pool->spare;
	int fds[2];

	if (p != NULL) {
		CHECK(p->bytes == 0);
		pool->spare = p->next;
		pool->nspare--;
		return p;
	}
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return NULL;
	p = malloc(sizeof *p);
	if (p == NULL) {
		close(fds[0]);
		close(fds[1]);
		return NULL;
	}
	*p = (struct pipe){.in = fds[1], .out = fds[0]};
	/* refused where many pipes are that large already: then it is not */
	(void)fcntl(p->in, F_SETPIPE_SZ, PIPE_SIZE);
	return p;
}

static void
pipe_close(struct pipe *p)
{
	close(p->in);
	close(p->out);
	free(p);
}

void
pipe_give(struct pipe_pool *pool, struct pipe *p)
{
	if (p->bytes > 0 || pool->nspare >= SPARES_MAX) {
		pipe_close(p);
		return;
	}
	p->next = pool->spare;
	pool->spare = p;
	pool->nspare++;
}

void
pipe_pool_fini(struct pipe_pool *pool)
{
	struct pipe *p;

	while ((p = pool->spare) != NULL) {
		pool->spare = p->next;
		pipe_close(p);
	}
	pool->nspare = 0;
}
