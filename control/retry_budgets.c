/* Retry budgets, told apart from one second to the next. */
#include "control/retry_budgets.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/opt.h"
#include "control/events.h"
#include "router/budget.h"
#include "router/plan.h"

static void
describe(enum budget_news news, const struct budget_story *story,
    uint32_t budget, char *buf, size_t size)
{
	const uint64_t all = story->made + story->refused;
	char share[OPT_TEXT_MAX], time[OPT_TEXT_MAX];

	opt_format(OPT_PERCENT, budget * 100, share, sizeof share);
	opt_format(OPT_DURATION, story->us / 1000000 * 1000, time, sizeof time);
	if (news == BUDGET_SPENT)
		snprintf(buf, size,
		    "%" PRIu64 " of %" PRIu64
		    " retries refused, the budget being %s of the requests",
		    story->refused, all, share);
	else
		snprintf(buf, size,
		    "%" PRIu64 " of %" PRIu64 " retries refused in %s",
		    story->refused, all, time);
}

void
retry_budgets_look(struct events *ev, const struct plan *plan)
{
	const uint64_t now = clock_now_us();

	for (size_t i = 0; i < plan->nservices; i++) {
		const struct service *s = plan->services[i];
		struct budget_story story;
		enum budget_news news;
		char words[160];

		news = budget_look(s->own, &s->terms->retry, now, &story);
		if (news == BUDGET_AS_IT_WAS)
			continue;
		describe(
		    news, &story, s->terms->retry.budget, words, sizeof words);
		events_retry_budget(ev, s->name, news == BUDGET_SPENT, words);
	}
}
