/* The pods of a version as a table: who gives an address, who took it away. */
#include "control/pod_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/address_index.h"
#include "base/check.h"

#define POD_SET_MAGIC 0x90d5e701u
#define FIRST_ROOM    8u

/* A member and what only this file knows of it. */
struct entry {
	struct pod_member member; /* first */
	bool seen;		  /* in the list under work */
};

struct pod_set {
	unsigned magic;
	char *service, *version;
	bool dirty;
	struct entry **entries;
	size_t n, room;
	struct address_index *index; /* of the entries; has their room */
	char **names;		     /* all that ever resolved */
	size_t nnames;
};

struct pod_set *
pod_set_new(const char *service, const char *version)
{
	struct pod_set *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->magic = POD_SET_MAGIC;
	s->service = strdup(service);
	s->version = strdup(version);
	if (s->service == NULL || s->version == NULL) {
		pod_set_free(s);
		return NULL;
	}
	return s;
}

static void
entry_free(struct entry *e)
{
	free(e->member.names);
	free(e);
}

void
pod_set_free(struct pod_set *s)
{
	if (s == NULL)
		return;
	CHECK_OBJ(s, POD_SET_MAGIC);
	for (size_t i = 0; i < s->n; i++)
		entry_free(s->entries[i]);
	for (size_t i = 0; i < s->nnames; i++)
		free(s->names[i]);
	free(s->entries);
	free(s->names);
	free(s->service);
	free(s->version);
	address_index_free(s->index);
	s->magic = 0;
	free(s);
}

void
pod_set_mark(struct pod_set *s, bool dirty)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	s->dirty = dirty;
}

bool
pod_set_dirty(const struct pod_set *s)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	return s->dirty;
}

const char *
pod_set_service(const struct pod_set *s)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	return s->service;
}

const char *
pod_set_version(const struct pod_set *s)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	return s->version;
}

bool
pod_set_is_of(const struct pod_set *s, const char *service, const char *version)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	return strcmp(s->service, service) == 0 &&
	       strcmp(s->version, version) == 0;
}

static void
index_all(struct pod_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		address_index_add(
		    s->index, &s->entries[i]->member.address, (uint32_t)i);
}

static int
make_room(struct pod_set *s)
{
	size_t room = s->room == 0 ? FIRST_ROOM : 2 * s->room;
	struct address_index *index;
	struct entry **entries;

	if (s->n < s->room)
		return 0;
	entries = reallocarray(s->entries, room, sizeof(struct entry *));
	if (entries == NULL)
		return -1;
	s->entries = entries;
	index = address_index_new(room);
	if (index == NULL)
		return -1;
	address_index_free(s->index);
	s->index = index;
	s->room = room;
	index_all(s);
	return 0;
}

struct pod_member *
pod_set_find(const struct pod_set *s, const struct address *a)
{
	uint32_t i = ADDRESS_INDEX_NONE;

	CHECK_OBJ(s, POD_SET_MAGIC);
	if (s->index != NULL)
		i = address_index_find(s->index, a);
	return i != ADDRESS_INDEX_NONE ? &s->entries[i]->member : NULL;
}

struct pod_member *
pod_set_get(struct pod_set *s, const struct address *a)
{
	struct pod_member *m = pod_set_find(s, a);
	struct entry *e;

	if (m != NULL)
		return m;
	if (make_room(s) < 0 || (e = calloc(1, sizeof *e)) == NULL)
		return NULL;
	e->member.address = *a;
	address_index_add(s->index, &e->member.address, (uint32_t)s->n);
	s->entries[s->n++] = e;
	return &e->member;
}

size_t
pod_set_size(const struct pod_set *s)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	return s->n;
}

struct pod_member *
pod_set_at(const struct pod_set *s, size_t i)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	CHECK(i < s->n);
	return &s->entries[i]->member;
}

/* The set's own copy of a name, the same one each time; NULL: no memory. */
static const char *
intern(struct pod_set *s, const char *name)
{
	char **names, *copy;

	for (size_t i = 0; i < s->nnames; i++)
		if (strcmp(s->names[i], name) == 0)
			return s->names[i];
	names = reallocarray(s->names, s->nnames + 1, sizeof *names);
	if (names == NULL)
		return NULL;
	s->names = names;
	copy = strdup(name);
	if (copy != NULL)
		s->names[s->nnames++] = copy;
	return copy;
}

int
pod_set_await(struct pod_set *s, struct pod_member *m, const char *name)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	m->awaited = name != NULL ? intern(s, name) : NULL;
	return name == NULL || m->awaited != NULL ? 0 : -1;
}

const char *
pod_set_name(const struct pod_set *s, size_t i)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	return i < s->nnames ? s->names[i] : NULL;
}

static bool
given(const struct pod_member *m, bool filed)
{
	return filed || m->added || m->launched || m->nnames > 0;
}

enum pod_source
pod_member_source(const struct pod_member *m)
{
	if (m->filed)
		return POD_BY_FILE;
	if (m->launched)
		return POD_BY_LAUNCH;
	if (m->nnames > 0)
		return POD_BY_NAME;
	return m->added ? POD_BY_PEOPLE : m->gave;
}

bool
pod_member_wanted(const struct pod_member *m)
{
	return given(m, m->filed) && !m->removed;
}

bool
pod_member_there(const struct pod_member *m)
{
	return pod_member_wanted(m) || m->leaving;
}

uint16_t
pod_member_weight(const struct pod_member *m)
{
	uint16_t weight = m->filed   ? m->filed_weight
			  : m->added ? m->added_weight
				     : m->named_weight;

	return weight > 0 ? weight : 1;
}

bool
pod_member_kept(const struct pod_member *m)
{
	return m->added || m->removed ||
	       (m->order != POD_ORDER_NONE && !m->launched);
}

/* As it would be in the plan if the file had it, or had it not any more. */
static bool
list_member(const struct pod_member *m, bool filed, struct pod_spec *p)
{
	bool wanted = given(m, filed) && !m->removed;

	if (!wanted && !pod_member_there(m))
		return false;
	p->address = m->address;
	p->weight = pod_member_weight(m);
	p->order = wanted ? m->order : POD_ORDER_DRAIN;
	return true;
}

static size_t
list_filed(const struct pod_set *s, const struct address *filed,
    const uint16_t *weights, size_t nfiled, struct pod_spec *list)
{
	size_t n = 0;

	for (size_t i = 0; i < nfiled; i++) {
		const struct pod_member *m = pod_set_find(s, &filed[i]);
		struct pod_spec *p = &list[n];

		*p = (struct pod_spec){.address = filed[i]};
		if (m != NULL && !list_member(m, true, p))
			continue;
		p->weight = weights != NULL ? weights[i] : 1;
		n++;
	}
	return n;
}

struct pod_spec *
pod_set_list(const struct pod_set *s, const struct address *filed,
    const uint16_t *weights, size_t nfiled, size_t *n)
{
	struct pod_spec *list = calloc(nfiled + s->n + 1, sizeof *list);
	struct address_index *index = address_index_new(nfiled);

	CHECK_OBJ(s, POD_SET_MAGIC);
	if (list == NULL || index == NULL)
		goto fail;
	for (size_t i = 0; i < nfiled; i++)
		address_index_add(index, &filed[i], (uint32_t)i);
	*n = list_filed(s, filed, weights, nfiled, list);
	for (size_t i = 0; i < s->n; i++) {
		const struct pod_member *m = &s->entries[i]->member;

		if (address_index_find(index, &m->address) ==
			ADDRESS_INDEX_NONE &&
		    list_member(m, false, &list[*n]))
			++*n;
	}
	address_index_free(index);
	return list;
fail:
	free(list);
	address_index_free(index);
	return NULL;
}

struct pod_spec *
pod_set_now(const struct pod_set *s, size_t *n)
{
	struct pod_spec *list = calloc(s->n + 1, sizeof *list);

	CHECK_OBJ(s, POD_SET_MAGIC);
	*n = 0;
	for (size_t i = 0; list != NULL && i < s->n; i++) {
		const struct pod_member *m = &s->entries[i]->member;

		if (list_member(m, m->filed, &list[*n]))
			++*n;
	}
	return list;
}

/* What people did to an address that nobody gives any more is void. */
static void
forgive(struct pod_member *m)
{
	if (given(m, m->filed) || m->awaited != NULL)
		return;
	m->removed = false;
	m->order = POD_ORDER_NONE;
}

/* Somebody gives again what was about to go. */
static void
welcome(struct pod_member *m)
{
	if (pod_member_wanted(m))
		m->leaving = false;
}

/* The file's first, in their order. */
static int
put_in_order(struct pod_set *s, const struct address *filed, size_t nfiled)
{
	struct entry **entries;
	size_t n = 0;

	if (s->n == 0)
		return 0;
	entries = calloc(s->room, sizeof(struct entry *));
	if (entries == NULL)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		s->entries[i]->seen = false;
	for (size_t i = 0; i < nfiled; i++) {
		struct entry *e = (struct entry *)pod_set_find(s, &filed[i]);

		if (e != NULL && !e->seen)
			entries[n++] = e;
		if (e != NULL)
			e->seen = true;
	}
	for (size_t i = 0; i < s->n; i++)
		if (!s->entries[i]->seen)
			entries[n++] = s->entries[i];
	CHECK(n == s->n);
	free(s->entries);
	s->entries = entries;
	address_index_clear(s->index);
	index_all(s);
	return 0;
}

int
pod_set_file(struct pod_set *s, const struct address *filed,
    const uint16_t *weights, size_t nfiled)
{
	CHECK_OBJ(s, POD_SET_MAGIC);
	/* who is there goes, unless it turns out to be wanted still */
	for (size_t i = 0; i < s->n; i++) {
		struct pod_member *m = &s->entries[i]->member;

		m->leaving = pod_member_there(m);
		m->gave = pod_member_source(m);
		m->filed = false;
	}
	for (size_t i = 0; i < nfiled; i++) {
		struct pod_member *m = pod_set_get(s, &filed[i]);

		if (m == NULL)
			return -1;
		m->filed = true;
		m->added = false;
		m->filed_weight = weights != NULL ? weights[i] : 1;
	}
	for (size_t i = 0; i < s->n; i++) {
		forgive(&s->entries[i]->member);
		welcome(&s->entries[i]->member);
	}
	pod_set_tidy(s);
	return put_in_order(s, filed, nfiled);
}

static size_t
name_place(const struct pod_member *m, const char *name)
{
	size_t i = 0;

	while (i < m->nnames && m->names[i] != name)
		i++;
	return i;
}

/* The name gives this member; as pod_set_resolve(). */
static int
name_gives(struct pod_member *m, const char *name, uint16_t weight)
{
	bool there = pod_member_there(m), leaving = m->leaving;
	uint16_t was = pod_member_weight(m);
	const char **names;

	m->named_weight = weight;
	m->awaited = NULL;
	if (name_place(m, name) == m->nnames) {
		names = reallocarray(m->names, m->nnames + 1, sizeof *m->names);
		if (names == NULL)
			return -1;
		m->names = names;
		m->names[m->nnames++] = name;
	}
	welcome(m);
	return pod_member_there(m) != there || m->leaving != leaving ||
	       (pod_member_there(m) && pod_member_weight(m) != was);
}

/* The name gives it no longer, if it did; true when it goes for that. */
static bool
name_takes(struct pod_member *m, const char *name)
{
	bool wanted = pod_member_wanted(m);
	size_t i = name_place(m, name);

	m->gave = pod_member_source(m);
	if (m->awaited == name)
		m->awaited = NULL;
	if (i < m->nnames)
		m->names[i] = m->names[--m->nnames];
	forgive(m);
	if (!wanted || pod_member_wanted(m))
		return false;
	m->leaving = true;
	return true;
}

int
pod_set_resolve(struct pod_set *s, const char *name, const struct address *list,
    const uint16_t *weights, size_t n)
{
	int changed = 0;

	CHECK_OBJ(s, POD_SET_MAGIC);
	name = intern(s, name);
	if (name == NULL)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		s->entries[i]->seen = false;
	for (size_t i = 0; i < n; i++) {
		struct pod_member *m = pod_set_get(s, &list[i]);
		int rc = -1;

		if (m != NULL)
			rc = name_gives(
			    m, name, weights != NULL ? weights[i] : 1);
		if (rc < 0)
			return -1;
		((struct entry *)m)->seen = true;
		changed |= rc;
	}
	for (size_t i = 0; i < s->n; i++)
		if (!s->entries[i]->seen)
			changed |= name_takes(&s->entries[i]->member, name);
	return changed;
}

void
pod_set_tidy(struct pod_set *s)
{
	size_t n = 0;

	CHECK_OBJ(s, POD_SET_MAGIC);
	if (s->index != NULL)
		address_index_clear(s->index);
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = s->entries[i];
		const struct pod_member *m = &e->member;

		if (given(m, m->filed) || m->leaving || m->awaited != NULL)
			s->entries[n++] = e;
		else
			entry_free(e);
	}
	s->n = n;
	index_all(s);
}
