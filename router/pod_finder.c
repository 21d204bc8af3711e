/* Looking for pods that go on. */
#include "router/pod_finder.h"

#include <stdint.h>

#include "base/address_index.h"
#include "router/plan.h"
#include "router/pod.h"

static int
make_index(struct pod_finder *f)
{
	const struct version *v = f->version;

	f->index = address_index_new(v->npods);
	if (f->index == NULL)
		return -1;
	for (size_t i = 0; i < v->npods; i++)
		address_index_add(f->index, &v->pods[i]->address, (uint32_t)i);
	return 0;
}

int
pod_finder_find(struct pod_finder *f, const struct address *a, size_t hint,
    struct pod **found)
{
	const struct version *v = f->version;
	uint32_t at;

	*found = NULL;
	if (v == NULL)
		return 0;
	if (hint < v->npods && address_eq(&v->pods[hint]->address, a)) {
		*found = v->pods[hint];
		return 0;
	}
	if (f->index == NULL && make_index(f) < 0)
		return -1;
	at = address_index_find(f->index, a);
	if (at != ADDRESS_INDEX_NONE)
		*found = v->pods[at];
	return 0;
}

void
pod_finder_fini(struct pod_finder *f)
{
	address_index_free(f->index);
	f->index = NULL;
}
