/* Putting together what secures connections to pods, and letting it go. */
#include "conf/pod_trust.h"

#include <stdlib.h>

#include "base/address.h"
#include "conf/certificate.h"

static void
free_parts(struct trust *trust, char *name, struct certificate *own)
{
	trust_drop(trust);
	free(name);
	certificate_drop(own);
}

static void
pod_trust_free(struct pod_tls *t)
{
	struct pod_trust *p = (struct pod_trust *)t;

	free_parts(p->trust, p->name, p->own);
	free(p);
}

struct pod_trust *
pod_trust_new(struct trust *trust, char *name, struct certificate *own)
{
	struct pod_trust *p = malloc(sizeof *p);

	if (p == NULL) {
		free_parts(trust, name, own);
		return NULL;
	}
	p->base.holders = 1;
	p->base.free = pod_trust_free;
	p->trust = trust;
	p->name = name;
	p->own = own;
	return p;
}

bool
pod_trust_suits(const struct pod_tls *tls, const struct address *address)
{
	const struct pod_trust *t = (const struct pod_trust *)tls;

	return t == NULL || t->trust == NULL || t->name != NULL ||
	       !address_is_unix(address);
}
