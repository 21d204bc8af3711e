/* Making and freeing the description of services. */
#include "router/spec.h"

#include <stdlib.h>

#include "router/launch_spec.h"
#include "router/match.h"
#include "router/pod_tls.h"
#include "router/route.h"

struct spec *
spec_new(void)
{
	return calloc(1, sizeof(struct spec));
}

static void
free_route(struct route_spec *r)
{
	for (size_t i = 0; i < r->nmethods; i++)
		free(r->methods[i]);
	free(r->methods);
	free(r->host);
	free(r->path);
	pattern_free(r->regex);
	route_action_free(r->action);
}

void
pod_name_clear(struct pod_name *n)
{
	free(n->text);
	free(n->host);
	*n = (struct pod_name){0};
}

static void
free_version(struct version_spec *v)
{
	for (size_t i = 0; i < v->nnames; i++)
		pod_name_clear(&v->names[i]);
	free(v->names);
	free(v->name);
	free(v->pods);
	free(v->pod_weights);
	free(v->pod_orders);
	pod_tls_drop(v->tls);
	launch_spec_drop(v->launch);
}

static void
free_service(struct service_spec *s)
{
	for (size_t i = 0; i < s->nroutes; i++)
		free_route(&s->routes[i]);
	for (size_t i = 0; i < s->nversions; i++)
		free_version(&s->versions[i]);
	for (size_t i = 0; i < s->nrules; i++) {
		match_free(s->rules[i].match);
		free(s->rules[i].weights);
	}
	free(s->name);
	free(s->routes);
	free(s->versions);
	free(s->rules);
	terms_clear(&s->terms);
}

void
spec_stick(struct spec *s, struct sticky_key *k)
{
	for (size_t i = 0; i < s->nservices; i++) {
		struct sticky *sticky = &s->services[i].terms.sticky;

		if (sticky->name != NULL && sticky->key == NULL)
			sticky->key = sticky_key_hold(k);
	}
}

void
spec_free(struct spec *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->nservices; i++)
		free_service(&s->services[i]);
	free(s->services);
	free(s);
}
