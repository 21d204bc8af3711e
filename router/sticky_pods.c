/* A sorted array of what stands for pods, searched by halves. */
#include "router/sticky_pods.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "router/pod.h"
#include "router/sticky.h"

#define STICKY_PODS_MAGIC 0x571c0002u

struct place {
	uint64_t id;
	struct pod *pod;
	bool ready;
};

struct sticky_pods {
	unsigned magic;
	size_t n;
	struct place places[]; /* by id */
};

static struct sticky_pods *
make_room(size_t n)
{
	struct sticky_pods *s = malloc(sizeof *s + n * sizeof s->places[0]);

	if (s != NULL)
		*s = (struct sticky_pods){.magic = STICKY_PODS_MAGIC, .n = n};
	return s;
}

static int
compare(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	return p->id < q->id ? -1 : p->id > q->id;
}

struct sticky_pods *
sticky_pods_new(const struct sticky_key *k, struct pod *const *pods, size_t n)
{
	struct sticky_pods *s = make_room(n);

	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		s->places[i] = (struct place){
		    .id = sticky_pod_id(k, &pods[i]->address),
		    .pod = pods[i],
		};
		if (s->places[i].id == 0) {
			sticky_pods_free(s);
			return NULL;
		}
	}
	qsort(s->places, n, sizeof s->places[0], compare);
	return s;
}

struct sticky_pods *
sticky_pods_copy(const struct sticky_pods *old)
{
	struct sticky_pods *s;

	CHECK_OBJ(old, STICKY_PODS_MAGIC);
	s = make_room(old->n);
	if (s == NULL)
		return NULL;
	memcpy(s->places, old->places, old->n * sizeof old->places[0]);
	for (size_t i = 0; i < s->n; i++)
		s->places[i].ready = false;
	return s;
}

void
sticky_pods_free(struct sticky_pods *s)
{
	if (s == NULL)
		return;
	CHECK_OBJ(s, STICKY_PODS_MAGIC);
	s->magic = 0;
	free(s);
}

void
sticky_pods_settle(struct sticky_pods *s)
{
	CHECK_OBJ(s, STICKY_PODS_MAGIC);
	for (size_t i = 0; i < s->n; i++)
		s->places[i].ready = s->places[i].pod->state == POD_UP;
}

struct pod *
sticky_pods_find(const struct sticky_pods *s, uint64_t id)
{
	size_t first = 0, end;

	CHECK_OBJ(s, STICKY_PODS_MAGIC);
	end = s->n;
	while (first < end) {
		const size_t middle = first + (end - first) / 2;
		const struct place *p = &s->places[middle];

		if (p->id == id)
			return p->ready ? p->pod : NULL;
		if (p->id < id)
			first = middle + 1;
		else
			end = middle;
	}
	return NULL;
}
