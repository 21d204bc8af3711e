/*
 * Services as the config describes them: plain data, filled by conf, turned
 * into an immutable plan by plan_build(). Everything a spec points to is
 * owned by it; main thread only.
 */
#ifndef ROUTER_SPEC_H
#define ROUTER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "router/pod_state.h"
#include "router/terms.h"

struct match;
struct pattern;
struct pod_tls;
struct route_action;

/* What the pods of a version speak. */
enum pod_protocol {
	POD_HTTP1, /* over TLS where the version has a pod_tls */
	POD_H2,	   /* HTTP/2 over TLS; always has a pod_tls */
	POD_H2C,   /* HTTP/2 in clear text */
};

enum path_kind {
	PATH_PREFIX, /* by segment: /a leads to /a and /a/b, not to /ab */
	PATH_EXACT,
	PATH_REGEX,
};

struct route_spec {
	char *host; /* lower case; NULL = any, "*.x" = one or more labels */
	enum path_kind kind;
	char *path;
	struct pattern *regex; /* only with PATH_REGEX */
	char **methods;	       /* it is for; none = any */
	size_t nmethods;
	struct route_action *action; /* NULL: it only leads to the service */
};

/* One pod as it is wanted. */
struct pod_spec {
	struct address address;
	uint16_t weight;      /* 1..POD_WEIGHT_MAX */
	enum pod_order order; /* with which it joins */
};

/* What resolves to pods of a version. */
struct pod_name {
	char *text;	 /* as written: "app.internal:8000" */
	char *host;	 /* that is asked for */
	uint16_t port;	 /* of the pods; 0: SRV records say, weights too */
	uint16_t weight; /* of each pod, 1..POD_WEIGHT_MAX */
};

/* How to run a pod of a version: see docs/config.md, `launch`. */
struct launch_spec;

struct version_spec {
	char *name;
	uint64_t weight; /* in 1/WEIGHT_ONE */
	struct address *pods;
	uint16_t *pod_weights; /* 1..POD_WEIGHT_MAX each; NULL = all 1 */
	/* with which they join; NULL = none */
	enum pod_order *pod_orders;
	size_t npods;
	struct pod_name *names; /* that more of them are resolved from */
	size_t nnames;
	enum pod_protocol protocol;
	struct pod_tls *tls;	    /* held; NULL = in clear text */
	struct launch_spec *launch; /* NULL: its pods are not ours to run */
};

struct rule_spec {
	struct match *match;
	size_t version;	   /* index into versions */
	uint64_t *weights; /* instead: one per version, in 1/WEIGHT_ONE */
	bool own_empty;	   /* empty_stable below, not the service's, holds */
	bool empty_stable;
};

struct service_spec {
	char *name;
	struct route_spec *routes;
	size_t nroutes;
	struct version_spec *versions;
	size_t nversions;
	size_t stable; /* index into versions */
	struct rule_spec *rules;
	size_t nrules;
	struct terms terms;
};

struct spec {
	struct service_spec *services;
	size_t nservices;
};

struct spec *spec_new(void);
/*
 * Services with a sticky cookie but no secret of their own sign with this
 * key; before it their clients get no cookies. Holds it.
 */
void spec_stick(struct spec *s, struct sticky_key *k);
/* Frees its texts. */
void pod_name_clear(struct pod_name *n);
/* Frees all it points to; NULL is fine. */
void spec_free(struct spec *s);

#endif
