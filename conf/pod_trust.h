/*
 * What a version's `tls` says about its pods: whom to trust, under which
 * name, and who we are. A struct pod_tls that plans carry. Immutable.
 */
#ifndef CONF_POD_TRUST_H
#define CONF_POD_TRUST_H

#include <stdbool.h>

#include "router/pod_tls.h"

struct address;
struct certificate;
struct trust;

struct pod_trust {
	struct pod_tls base;	 /* first: plans hold this */
	struct trust *trust;	 /* NULL: pods are not verified */
	char *name;		 /* sent as SNI and verified; NULL: the pod's IP
				  * address is verified, and no SNI sent */
	struct certificate *own; /* shown to pods that ask; or NULL */
};

/* Takes the references and the name, also on failure; NULL without memory. */
struct pod_trust *pod_trust_new(
    struct trust *trust, char *name, struct certificate *own);

/*
 * Whether a pod of that address can be who it is to be: without a name that
 * is its IP address, which a Unix socket has not. NULL: in clear text, it can.
 */
bool pod_trust_suits(const struct pod_tls *tls, const struct address *address);

#endif
