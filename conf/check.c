/* What must be unique in a config: pods, listeners, routes. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/tables.h"

/* Something with the place where it was written. */
struct place {
	const struct node *node;
	const struct address *address;
	const struct route_spec *route;
	const char *method; /* of the route; "": any */
	const struct service_spec *service;
	size_t path_len; /* of the route, as compared */
};

struct places {
	struct place *items;
	size_t n, room;
};

static void
places_add(struct errors *e, struct places *p, struct place place)
{
	if (p->n == p->room) {
		size_t room = p->room == 0 ? 64 : p->room * 2;
		struct place *items =
		    reallocarray(p->items, room, sizeof *items);

		if (items == NULL) {
			errors_no_memory(e);
			return;
		}
		p->items = items;
		p->room = room;
	}
	p->items[p->n++] = place;
}

static int
node_order(const struct node *a, const struct node *b)
{
	if (a->at.line != b->at.line)
		return a->at.line < b->at.line ? -1 : 1;
	return (a->at.column > b->at.column) - (a->at.column < b->at.column);
}

static int
address_compare(const struct address *a, const struct address *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(&a->sa, &b->sa, a->len);
}

static int
address_order(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;
	int order = address_compare(a->address, b->address);

	return order != 0 ? order : node_order(a->node, b->node);
}

/* Reports all but the first of equal addresses; empties the list. */
static void
check_addresses(struct errors *e, struct places *p)
{
	const struct place *first = p->items;

	if (p->n > 0)
		qsort(p->items, p->n, sizeof *p->items, address_order);
	for (size_t i = 1; i < p->n; i++) {
		const struct place *here = &p->items[i];

		if (address_compare(here->address, first->address) != 0)
			first = here;
		else
			errors_add(e, here->node->at,
			    "duplicate address \"%s\", first on line %u",
			    here->address->text, first->node->at.line);
	}
	p->n = 0;
}

static void
check_pods(
    struct errors *e, const struct node *versions, const struct service_spec *s)
{
	struct places p = {0};
	const struct node *version = versions->first;

	for (size_t i = 0; i < s->nversions; i++, version = version->next) {
		const struct version_spec *v = &s->versions[i];
		const struct node *pods = node_get(version, "pods");
		const struct node *pod = v->npods > 0 ? pods->first : NULL;

		for (size_t j = 0; j < v->npods; j++, pod = pod->next)
			if (v->pods[j].len > 0)
				places_add(e, &p,
				    (struct place){
					.node = pod,
					.address = &v->pods[j],
				    });
		check_addresses(e, &p);
		if (v->nnames > 0)
			check_pod_names(e, pods, v);
	}
	free(p.items);
}

static void
check_listeners(
    struct errors *e, const struct node *root, const struct settings *s)
{
	struct places p = {0};
	const struct node *listen = node_get(root, "listen");
	const struct node *admin = node_get(node_get(root, "admin"), "address");
	const struct node *m = s->nlisteners > 0 ? listen->first : NULL;

	for (size_t i = 0; i < s->nlisteners; i++, m = m->next) {
		const struct address *a = &s->listeners[i].address;
		const struct node *written = node_get(m, "address");

		if (a->len == 0)
			continue;
		if (address_eq(a, &s->admin))
			errors_add(e, admin->at,
			    "\"%s\" is a listener already, on line %u",
			    s->admin.text, written->at.line);
		places_add(
		    e, &p, (struct place){.node = written, .address = a});
	}
	check_addresses(e, &p);
	free(p.items);
}

static int
route_compare(const struct place *a, const struct place *b)
{
	const char *host_a = a->route->host != NULL ? a->route->host : "";
	const char *host_b = b->route->host != NULL ? b->route->host : "";
	int order = strcmp(host_a, host_b);

	if (order != 0)
		return order;
	if (a->route->kind != b->route->kind)
		return a->route->kind < b->route->kind ? -1 : 1;
	if (a->path_len != b->path_len)
		return a->path_len < b->path_len ? -1 : 1;
	order = memcmp(a->route->path, b->route->path, a->path_len);
	return order != 0 ? order : strcmp(a->method, b->method);
}

static int
route_order(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;
	int order = route_compare(a, b);

	return order != 0 ? order : node_order(a->node, b->node);
}

/* Prefixes go by segment, so /a/ is the same as /a. */
static size_t
compared_length(const struct route_spec *r)
{
	size_t n = strlen(r->path);

	while (r->kind == PATH_PREFIX && n > 1 && r->path[n - 1] == '/')
		n--;
	return n;
}

/* One place for each of its methods. */
static void
add_route(struct errors *e, struct places *p, struct place here)
{
	const struct route_spec *r = here.route;

	here.path_len = compared_length(r);
	here.method = "";
	if (r->nmethods == 0)
		places_add(e, p, here);
	for (size_t i = 0; i < r->nmethods; i++) {
		here.method = r->methods[i];
		places_add(e, p, here);
	}
}

static void
add_routes(struct errors *e, struct places *p, const struct node *service,
    const struct service_spec *s)
{
	const struct node *routes = node_get(service, "routes");
	const struct node *m = routes != NULL ? routes->first : service->key;

	for (size_t i = 0; i < s->nroutes; i++, m = m->next) {
		const struct route_spec *r = &s->routes[i];
		struct place here = {.node = m, .route = r, .service = s};

		if (r->path != NULL)
			add_route(e, p, here);
	}
}

static void
check_routes(struct errors *e, struct places *p)
{
	const struct place *first = p->items;

	if (p->n > 0)
		qsort(p->items, p->n, sizeof *p->items, route_order);
	for (size_t i = 1; i < p->n; i++) {
		const struct place *here = &p->items[i];

		if (route_compare(here, first) != 0)
			first = here;
		else if (here->service != first->service &&
			 first->service->name != NULL)
			errors_add(e, here->node->at,
			    "the same host%s path%s%s lead to service \"%s\" "
			    "already, on line %u",
			    here->method[0] != '\0' ? "," : " and",
			    here->method[0] != '\0' ? " and method " : "",
			    here->method, first->service->name,
			    first->node->at.line);
	}
}

void
check_unique(struct errors *e, const struct node *root, const struct conf *c)
{
	struct places routes = {0};
	const struct node *services = node_get(root, "services");
	const struct node *m = c->spec->nservices > 0 ? services->first : NULL;

	check_listeners(e, root, &c->settings);
	for (size_t i = 0; i < c->spec->nservices; i++, m = m->next) {
		const struct service_spec *s = &c->spec->services[i];

		if (s->nversions > 0)
			check_pods(e, node_get(m, "versions"), s);
		add_routes(e, &routes, m, s);
	}
	check_routes(e, &routes);
	free(routes.items);
}
