/* Counts plans that are on their way. */
#include "control/rollouts_reply.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define REPLY_MAGIC 0x4e917001u

struct rollouts_reply {
	unsigned magic;
	control_done *done;
	void *arg;
	unsigned plans; /* on their way; and one more, until it is sealed */
	char error[160];
};

struct rollouts_reply *
rollouts_reply_new(control_done *done, void *arg)
{
	struct rollouts_reply *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->magic = REPLY_MAGIC;
	r->done = done;
	r->arg = arg;
	r->plans = 1;
	return r;
}

static void
one_less(struct rollouts_reply *r)
{
	if (--r->plans > 0)
		return;
	if (r->done != NULL)
		r->done(r->arg, *r->error != '\0' ? r->error : NULL);
	r->magic = 0;
	free(r);
}

static void
on_published(void *arg, const char *error)
{
	struct rollouts_reply *r = arg;

	CHECK_OBJ(r, REPLY_MAGIC);
	if (error != NULL && *r->error == '\0')
		snprintf(r->error, sizeof r->error, "%s", error);
	one_less(r);
}

control_done *
rollouts_reply_add(struct rollouts_reply *r)
{
	if (r == NULL)
		return NULL;
	CHECK_OBJ(r, REPLY_MAGIC);
	r->plans++;
	return on_published;
}

void
rollouts_reply_seal(struct rollouts_reply *r)
{
	CHECK_OBJ(r, REPLY_MAGIC);
	one_less(r);
}
