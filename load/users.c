/* Users, dealt to profiles and taking turns. */
#include "load/users.h"

#include <stdlib.h>

#include "load/profile.h"
#include "load/request.h"
#include "router/split.h"

struct group {
	struct user **list;
	uint64_t n, next;
};

struct users {
	struct user *all;
	struct user **order; /* by profile */
	uint64_t n;
	unsigned nprofiles;
	struct group groups[BOARD_PROFILES];
};

/* How many there are before i: one for each profile, then by the split. */
static unsigned
profile_of(const struct profiles *p, uint64_t i)
{
	return i < p->n ? (unsigned)i : split_at(p->split, i - p->n);
}

static bool
fill_jar(struct user *user, const struct profile *p)
{
	struct buffer text = {0};

	for (size_t i = 0; i < p->ncookies; i++) {
		text.n = 0;
		request_expand(p->cookies[i], user->number, &text);
		if (!text.failed)
			jar_put(&user->jar, buffer_span(&text));
	}
	buffer_free(&text);
	return !text.failed;
}

/* Two walks: how many each profile has, then who they are. */
static void
deal(struct users *u, const struct profiles *p)
{
	struct user **at = u->order;

	for (uint64_t i = 0; i < u->n; i++)
		u->groups[profile_of(p, i)].n++;
	for (size_t g = 0; g < p->n; g++) {
		u->groups[g].list = at;
		at += u->groups[g].n;
		u->groups[g].n = 0;
	}
	for (uint64_t i = 0; i < u->n; i++) {
		struct group *g = &u->groups[profile_of(p, i)];

		g->list[g->n++] = &u->all[i];
	}
}

struct users *
users_new(
    const struct profiles *p, uint64_t total, unsigned thread, unsigned threads)
{
	struct users *u = calloc(1, sizeof *u);

	if (u == NULL)
		return NULL;
	u->n = total / threads + (thread < total % threads);
	u->all = calloc(u->n + 1, sizeof *u->all);
	u->order = calloc(u->n + 1, sizeof(struct user *));
	if (u->all == NULL || u->order == NULL)
		goto fail;
	for (uint64_t i = 0; i < u->n; i++) {
		u->all[i].number = thread + i * threads + 1;
		if (!fill_jar(&u->all[i], &p->list[profile_of(p, i)]))
			goto fail;
	}
	deal(u, p);
	return u;
fail:
	users_free(u);
	return NULL;
}

void
users_free(struct users *u)
{
	if (u == NULL)
		return;
	for (uint64_t i = 0; u->all != NULL && i < u->n; i++)
		jar_free(&u->all[i].jar);
	free(u->all);
	free(u->order);
	free(u);
}

struct user *
users_next(struct users *u, unsigned profile)
{
	struct group *g = &u->groups[profile];

	return g->list[g->next++ % g->n];
}

bool
user_saw(struct user *user, unsigned version, uint64_t k)
{
	bool flipped;

	if (version == BOARD_NO_VERSION || k < user->latest)
		return false;
	user->latest = k + 1;
	flipped = user->version != BOARD_NO_VERSION &&
		  user->version != version && (user->seen >> version & 1);
	user->version = version;
	user->seen |= 1ull << version;
	return flipped;
}
