/*
 * Specs for tests, piece by piece: a service, then its versions, routes and
 * rules. Everything belongs to the spec, as if conf had read it from a file.
 */
#ifndef TESTS_UNIT_ROUTER_BUILD_SPEC_H
#define TESTS_UNIT_ROUTER_BUILD_SPEC_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/balance.h"
#include "router/match.h"
#include "router/spec.h"
#include "router/split.h"

/* One more element at the end of an array of *n; all zero. */
static inline void *
build_grow(void *array, size_t *n, size_t size)
{
	char *grown = reallocarray(array, *n + 1, size);

	CHECK(grown != NULL);
	memset(grown + *n * size, 0, size);
	(*n)++;
	return grown;
}

static inline struct service_spec *
build_last(struct spec *spec)
{
	return &spec->services[spec->nservices - 1];
}

/* Health checks on, least_request, empty: stable. */
static inline void
build_service(struct spec *spec, const char *name)
{
	struct service_spec *s;

	spec->services =
	    build_grow(spec->services, &spec->nservices, sizeof *s);
	s = build_last(spec);
	s->name = strdup(name);
	s->terms.balance = &balance_least_request;
	s->terms.health = (struct health_rules){
	    .enabled = true,
	    .path = strdup("/healthz"),
	    .rise = 2,
	    .fall = 3,
	};
	s->terms.error_min = 500;
	s->terms.error_max = 599;
	s->terms.empty_stable = true;
}

/* With `npods` pods 127.0.0.1:port, port+1, ...; the weight in whole ones. */
static inline void
build_version(struct spec *spec, const char *name, uint64_t weight,
    unsigned port, size_t npods)
{
	struct service_spec *s = build_last(spec);
	struct version_spec *v;

	s->versions = build_grow(s->versions, &s->nversions, sizeof *v);
	v = &s->versions[s->nversions - 1];
	v->name = strdup(name);
	v->weight = weight * WEIGHT_ONE;
	v->pods = calloc(npods + 1, sizeof v->pods[0]);
	v->npods = npods;
	for (size_t i = 0; i < npods; i++) {
		char text[32];
		int n = snprintf(text, sizeof text, "127.0.0.1:%zu", port + i);

		CHECK(
		    address_parse((struct span){text, (size_t)n}, &v->pods[i]));
	}
}

/* host NULL: any. */
static inline void
build_route(
    struct spec *spec, const char *host, enum path_kind kind, const char *path)
{
	struct service_spec *s = build_last(spec);
	struct route_spec *r;
	char why[128];

	s->routes = build_grow(s->routes, &s->nroutes, sizeof *r);
	r = &s->routes[s->nroutes - 1];
	r->host = host != NULL ? strdup(host) : NULL;
	r->kind = kind;
	r->path = strdup(path);
	if (kind == PATH_REGEX) {
		r->regex = pattern_new(PATTERN_REGEX, path, why, sizeof why);
		CHECK(r->regex != NULL);
	}
}

/* The last route is for this method, too. */
static inline void
build_method(struct spec *spec, const char *method)
{
	struct service_spec *s = build_last(spec);
	struct route_spec *r = &s->routes[s->nroutes - 1];

	r->methods = build_grow(r->methods, &r->nmethods, sizeof r->methods[0]);
	r->methods[r->nmethods - 1] = strdup(method);
	CHECK(r->methods[r->nmethods - 1] != NULL);
}

/* The header has exactly this value. */
static inline void
build_rule(
    struct spec *spec, const char *header, const char *value, size_t version)
{
	struct service_spec *s = build_last(spec);
	struct pattern *pattern;
	struct rule_spec *r;
	char why[128];

	s->rules = build_grow(s->rules, &s->nrules, sizeof *r);
	r = &s->rules[s->nrules - 1];
	r->version = version;
	r->match = match_new();
	CHECK(r->match != NULL);
	pattern = pattern_new(PATTERN_EXACT, value, why, sizeof why);
	CHECK(
	    match_add(r->match, MATCH_HEADER, header, &pattern, 1, false) == 0);
}

/* The last rule has weights of its own, in whole ones, one per version. */
static inline void
build_rule_weights(struct spec *spec, const unsigned *weights)
{
	struct service_spec *s = build_last(spec);
	struct rule_spec *r = &s->rules[s->nrules - 1];

	r->weights = calloc(s->nversions, sizeof r->weights[0]);
	CHECK(r->weights != NULL);
	for (size_t i = 0; i < s->nversions; i++)
		r->weights[i] = (uint64_t)weights[i] * WEIGHT_ONE;
}

#endif
