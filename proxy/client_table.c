/* Connections per client address: a hash table in shards, a lock for each. */
#include "proxy/client_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/queue.h"

#define CLIENT_TABLE_MAGIC 0xc11e0002u
#define SHARDS		   32u
#define HEADS_MIN	   64u

/* Who counts as one client. */
struct client_key {
	int family;
	uint64_t block; /* an IPv4 address or the /64 of an IPv6 one */
};

struct entry {
	LIST_ENTRY(entry) link;
	struct client_key key;
	uint32_t connections; /* never 0 */
};

LIST_HEAD(entries, entry);

struct shard {
	pthread_mutex_t lock;
	struct entries *heads;
	size_t nheads; /* a power of two */
	size_t nentries;
};

struct client_table {
	unsigned magic;
	uint64_t seed; /* so that nobody can choose addresses that collide */
	struct shard shards[SHARDS];
};

struct client_table *
client_table_new(void)
{
	struct client_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->magic = CLIENT_TABLE_MAGIC;
	CHECK(getrandom(&t->seed, sizeof t->seed, 0) == sizeof t->seed);
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *s = &t->shards[i];

		CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
		s->nheads = HEADS_MIN;
		s->heads = calloc(s->nheads, sizeof *s->heads);
		if (s->heads == NULL) {
			client_table_free(t);
			return NULL;
		}
	}
	return t;
}

static void
shard_free(struct shard *s)
{
	struct entry *e;

	for (size_t i = 0; i < s->nheads; i++) {
		while ((e = LIST_FIRST(&s->heads[i])) != NULL) {
			LIST_REMOVE(e, link);
			free(e);
		}
	}
	free(s->heads);
	pthread_mutex_destroy(&s->lock);
}

void
client_table_free(struct client_table *t)
{
	if (t == NULL)
		return;
	CHECK_OBJ(t, CLIENT_TABLE_MAGIC);
	/* those behind a failure in client_table_new() have no heads */
	for (unsigned i = 0; i < SHARDS && t->shards[i].heads != NULL; i++)
		shard_free(&t->shards[i]);
	t->magic = 0;
	free(t);
}

/* False for a family that is not counted. */
static bool
make_key(int family, const uint8_t *address, struct client_key *key)
{
	*key = (struct client_key){.family = family};
	if (family == AF_INET)
		memcpy(&key->block, address, 4);
	else if (family == AF_INET6)
		memcpy(&key->block, address, 8);
	return family == AF_INET || family == AF_INET6;
}

/* Every bit of the result depends on every bit of the key and the seed. */
static uint64_t
hash(const struct client_table *t, const struct client_key *key)
{
	uint64_t h = (key->block ^ t->seed) + (uint64_t)key->family;

	for (int round = 0; round < 2; round++) {
		h ^= h >> 32;
		h *= 0xd6e8feb86659fd93u;
	}
	return h ^ h >> 32;
}

static struct entries *
shard_head(const struct shard *s, uint64_t h)
{
	return &s->heads[(h / SHARDS) & (s->nheads - 1)];
}

static struct entry *
shard_find(const struct shard *s, uint64_t h, const struct client_key *key)
{
	struct entry *e;

	LIST_FOREACH (e, shard_head(s, h), link)
		if (e->key.block == key->block && e->key.family == key->family)
			break;
	return e;
}

/* Without memory the lists just become longer. */
static void
shard_grow(const struct client_table *t, struct shard *s)
{
	struct shard old = *s;
	struct entries *heads = calloc(old.nheads * 2, sizeof *heads);
	struct entry *e;

	if (heads == NULL)
		return;
	s->heads = heads;
	s->nheads = old.nheads * 2;
	for (size_t i = 0; i < old.nheads; i++) {
		while ((e = LIST_FIRST(&old.heads[i])) != NULL) {
			LIST_REMOVE(e, link);
			LIST_INSERT_HEAD(
			    shard_head(s, hash(t, &e->key)), e, link);
		}
	}
	free(old.heads);
}

/* An entry without connections; NULL without memory. */
static struct entry *
shard_add(const struct client_table *t, struct shard *s, uint64_t h,
    const struct client_key *key)
{
	struct entry *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	if (s->nentries >= s->nheads)
		shard_grow(t, s);
	e->key = *key;
	LIST_INSERT_HEAD(shard_head(s, h), e, link);
	s->nentries++;
	return e;
}

bool
client_table_enter(
    struct client_table *t, int family, const uint8_t *address, uint32_t limit)
{
	struct client_key key;
	struct shard *s;
	struct entry *e;
	uint64_t h;
	bool entered = false;

	CHECK_OBJ(t, CLIENT_TABLE_MAGIC);
	if (!make_key(family, address, &key))
		return true;
	if (limit == 0)
		return false;
	h = hash(t, &key);
	s = &t->shards[h % SHARDS];
	pthread_mutex_lock(&s->lock);
	e = shard_find(s, h, &key);
	if (e == NULL)
		e = shard_add(t, s, h, &key);
	if (e != NULL && e->connections < limit) {
		e->connections++;
		entered = true;
	}
	pthread_mutex_unlock(&s->lock);
	return entered;
}

void
client_table_leave(struct client_table *t, int family, const uint8_t *address)
{
	struct client_key key;
	struct shard *s;
	struct entry *e;
	uint64_t h;

	CHECK_OBJ(t, CLIENT_TABLE_MAGIC);
	if (!make_key(family, address, &key))
		return;
	h = hash(t, &key);
	s = &t->shards[h % SHARDS];
	pthread_mutex_lock(&s->lock);
	e = shard_find(s, h, &key);
	CHECK(e != NULL);
	if (--e->connections == 0) {
		LIST_REMOVE(e, link);
		free(e);
		s->nentries--;
	}
	pthread_mutex_unlock(&s->lock);
}

size_t
client_table_size(struct client_table *t)
{
	size_t n = 0;

	CHECK_OBJ(t, CLIENT_TABLE_MAGIC);
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&t->shards[i].lock);
		n += t->shards[i].nentries;
		pthread_mutex_unlock(&t->shards[i].lock);
	}
	return n;
}
