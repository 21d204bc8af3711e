/* Two answers to the same request, and whether they are the same. */
#include "proxy/shadow.h"

#include <stdlib.h>

#include "base/check.h"
#include "router/hash_key.h"

#define WORD sizeof(uint64_t)

struct shadow *
shadow_new(void)
{
	struct shadow *s = calloc(1, sizeof *s);

	if (s != NULL)
		s->magic = SHADOW_MAGIC;
	return s;
}

void
shadow_drop(struct shadow *s)
{
	CHECK_OBJ(s, SHADOW_MAGIC);
	CHECK(s->holders > 0);
	if (--s->holders > 0)
		return;
	s->magic = 0;
	free(s);
}

static void
take_word(struct shadow_answer *a, const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	a->hash = hash_mix(a->hash ^ word);
}

/* Whole words only, so it is all one how the body is cut into pieces. */
void
shadow_saw(struct shadow_answer *a, struct span piece)
{
	size_t n = a->seen % WORD;

	a->seen += piece.n;
	for (; n > 0 && piece.n > 0; piece.p++, piece.n--) {
		a->tail[n++] = *piece.p;
		if (n < WORD)
			continue;
		take_word(a, a->tail);
		n = 0;
	}
	for (; piece.n >= WORD; piece.p += WORD, piece.n -= WORD)
		take_word(a, piece.p);
	if (piece.n > 0)
		memcpy(a->tail, piece.p, piece.n);
}

static bool
same_body(const struct shadow_answer *a, const struct shadow_answer *b)
{
	if (a->bytes != b->bytes)
		return false;
	if (a->seen != a->bytes || b->seen != b->bytes)
		return true;
	return a->hash == b->hash &&
	       memcmp(a->tail, b->tail, a->bytes % WORD) == 0;
}

enum shadow_verdict
shadow_compare(const struct shadow *s)
{
	const struct shadow_answer *real = &s->answers[SHADOW_REAL];
	const struct shadow_answer *copy = &s->answers[SHADOW_COPY];

	CHECK_OBJ(s, SHADOW_MAGIC);
	if (!real->whole || !copy->whole)
		return SHADOW_OPEN;
	if (real->status != copy->status)
		return SHADOW_OTHER_STATUS;
	return same_body(real, copy) ? SHADOW_SAME : SHADOW_OTHER_BODY;
}
