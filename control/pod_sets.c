/* A list of sets, and the rows of the store that they become. */
#include "control/pod_sets.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/log.h"
#include "control/pod_set.h"
#include "control/store.h"
#include "router/draw.h"

void
pod_sets_free(struct pod_sets *all)
{
	while (all->n > 0)
		pod_set_free(all->list[--all->n]);
	free(all->list);
	*all = (struct pod_sets){0};
}

struct pod_set *
pod_sets_find(struct pod_sets *all, const char *service, const char *version)
{
	for (size_t i = 0; i < all->n; i++) {
		size_t at = (all->next + i) % all->n;
		struct pod_set *s = all->list[at];

		if (!pod_set_is_of(s, service, version))
			continue;
		all->next = at + 1;
		return s;
	}
	return NULL;
}

/* For one more. */
static int
make_room(struct pod_sets *all)
{
	struct pod_set **list =
	    reallocarray(all->list, all->n + 1, sizeof(struct pod_set *));

	if (list == NULL)
		return -1;
	all->list = list;
	return 0;
}

struct pod_set *
pod_sets_get(struct pod_sets *all, const char *service, const char *version)
{
	struct pod_set *s = pod_sets_find(all, service, version);

	if (s != NULL)
		return s;
	if (make_room(all) < 0)
		return NULL;
	s = pod_set_new(service, version);
	if (s != NULL)
		all->list[all->n++] = s;
	return s;
}

static void
take_out(struct pod_sets *all, size_t i)
{
	memmove(&all->list[i], &all->list[i + 1],
	    (--all->n - i) * sizeof(struct pod_set *));
	all->next = 0;
}

void
pod_sets_drop(struct pod_sets *all, size_t i)
{
	pod_set_free(all->list[i]);
	take_out(all, i);
}

int
pod_sets_move(struct pod_sets *all, size_t i, struct pod_sets *to)
{
	if (make_room(to) < 0)
		return -1;
	to->list[to->n++] = all->list[i];
	take_out(all, i);
	return 0;
}

/* The store's rows on their way to sets. */
struct loading {
	struct pod_sets *all;
	int rc;
};

static void
load_pod(void *arg, const struct stored_pod *row)
{
	struct loading *l = arg;
	struct address address;
	struct pod_set *s;
	struct pod_member *m;

	if (!address_parse(span_of(row->address), &address) ||
	    address_peer_fault(&address) != NULL ||
	    row->order > POD_ORDER_MAINT || row->weight < 1 ||
	    row->weight > POD_WEIGHT_MAX) {
		log_warn("state: pod %s/%s/%s: not understood, left out",
		    row->service, row->version, row->address);
		return;
	}
	s = pod_sets_get(l->all, row->service, row->version);
	m = s != NULL ? pod_set_get(s, &address) : NULL;
	if (m == NULL || pod_set_await(s, m, row->name) < 0) {
		l->rc = -1;
		return;
	}
	m->added = row->added;
	m->added_weight = row->weight;
	m->removed = row->removed;
	m->order = (enum pod_order)row->order;
}

int
pod_sets_load(struct pod_sets *all, struct store *store)
{
	struct loading l = {.all = all};

	if (store_each_pod(store, load_pod, &l) < 0)
		return -1;
	return l.rc;
}

void
pod_sets_keep(
    struct store *store, const struct pod_set *s, const struct pod_member *m)
{
	const char *name = m->nnames > 0 ? m->names[0] : m->awaited;

	if (!pod_member_kept(m)) {
		store_drop_pod(store, pod_set_service(s), pod_set_version(s),
		    m->address.text);
		return;
	}
	store_put_pod(store, &(struct stored_pod){
				 .service = pod_set_service(s),
				 .version = pod_set_version(s),
				 .address = m->address.text,
				 .added = m->added,
				 .removed = m->removed,
				 .weight = pod_member_weight(m),
				 .order = m->order,
				 .name = name,
			     });
}

void
pod_sets_save(const struct pod_sets *all, struct store *store)
{
	store_drop_pods(store);
	for (size_t i = 0; i < all->n; i++) {
		const struct pod_set *s = all->list[i];

		for (size_t k = 0; k < pod_set_size(s); k++)
			if (pod_member_kept(pod_set_at(s, k)))
				pod_sets_keep(store, s, pod_set_at(s, k));
	}
}
