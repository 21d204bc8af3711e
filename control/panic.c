/* Panic, told apart from one plan to the next. */
#include "control/panic.h"

#include <stdio.h>

#include "base/opt.h"
#include "control/events.h"
#include "router/plan.h"

static void
tell(struct events *ev, const struct service *s, const struct version *v)
{
	char share[OPT_TEXT_MAX], words[160];

	opt_format(OPT_PERCENT, s->terms->panic, share, sizeof share);
	if (v->panic)
		snprintf(words, sizeof words,
		    "%zu of %zu pods up, less than %s: all are asked", v->nup,
		    v->nknown, share);
	else
		snprintf(words, sizeof words, "%zu of %zu pods up", v->nup,
		    v->nknown);
	events_panic(ev, s->name, v->name, v->panic, words);
}

void
panic_compare(struct events *ev, const struct plan *old, const struct plan *new)
{
	for (size_t i = 0; i < new->nservices; i++) {
		const struct service *s = new->services[i], *before = NULL;

		if (old != NULL)
			before = plan_service(old, s->name);
		for (size_t k = 0; k < s->nversions; k++) {
			const struct version *v = &s->versions[k], *was = NULL;

			if (before != NULL)
				was = service_version(before, v->name);
			if (v->panic != (was != NULL && was->panic))
				tell(ev, s, v);
		}
	}
}
