/* Pods: made by main, held by plans and by workers. */
#include "router/pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct pod *
pod_new(const struct address *address, unsigned nworkers)
{
	struct pod *p;
	size_t size = sizeof *p + nworkers * sizeof p->slots[0];

	p = aligned_alloc(alignof(struct pod), size);
	if (p == NULL)
		return NULL;
	memset(p, 0, size);
	p->magic = POD_MAGIC;
	atomic_init(&p->refs, 1);
	p->address = *address;
	p->state = p->checked = POD_STARTING;
	snprintf(p->reason, sizeof p->reason, "not checked yet");
	p->warmth = POD_WARM;
	p->nslots = nworkers;
	return p;
}

struct pod *
pod_hold(struct pod *p)
{
	CHECK_OBJ(p, POD_MAGIC);
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void
pod_drop(struct pod *p)
{
	unsigned before;

	if (p == NULL)
		return;
	CHECK_OBJ(p, POD_MAGIC);
	before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before > 1)
		return;
	for (unsigned i = 0; i < p->nslots; i++)
		if (p->slots[i].tls_session != NULL)
			p->slots[i].tls_session_free(p->slots[i].tls_session);
	p->magic = 0;
	free(p);
}

unsigned
pod_inflight(const struct pod *p)
{
	unsigned n = 0;

	CHECK_OBJ(p, POD_MAGIC);
	for (unsigned i = 0; i < p->nslots; i++)
		n += atomic_load_explicit(
		    &p->slots[i].inflight, memory_order_relaxed);
	return n;
}
