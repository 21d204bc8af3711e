/* Making, sharing and freeing the terms of a service. */
#include "router/terms.h"

#include <stdlib.h>

#include "base/check.h"
#include "router/match.h"
#include "router/release.h"

struct terms *
terms_take(struct terms *from)
{
	struct terms *t = malloc(sizeof *t);

	if (t == NULL) {
		terms_clear(from);
		return NULL;
	}
	*t = *from;
	t->refs = 1;
	*from = (struct terms){0};
	return t;
}

struct terms *
terms_hold(struct terms *t)
{
	CHECK(t->refs > 0);
	t->refs++;
	return t;
}

void
terms_drop(struct terms *t)
{
	if (t == NULL)
		return;
	CHECK(t->refs > 0);
	if (--t->refs > 0)
		return;
	terms_clear(t);
	free(t);
}

void
terms_clear(struct terms *t)
{
	free(t->hash.name);
	free(t->cohort.key.name);
	free(t->sticky.name);
	sticky_key_drop(t->sticky.key);
	health_rules_clear(&t->health);
	pattern_free(t->error_body);
	match_free(t->error_header);
	release_free(t->release);
	*t = (struct terms){0};
}
