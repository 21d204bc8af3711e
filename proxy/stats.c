/* Booking outcomes on the one who caused them. */
#include "proxy/stats.h"

#include "router/plan.h"
#include "router/tally.h"

void
stats_answer(const struct service *s, const struct version *v, unsigned worker,
    int status, uint64_t duration_us)
{
	tally_answer(v->tally, worker, status, duration_us);
	if (status >= s->error_min && status <= s->error_max)
		tally_error(v->tally, worker, REASON_STATUS);
}

void
stats_failure(const struct version *v, unsigned worker, enum err e)
{
	tally_error(v->tally, worker, err_reason(e));
}

void
stats_retry(const struct version *v, unsigned worker)
{
	tally_retry(v->tally, worker);
}

void
stats_reply(
    const struct service *s, unsigned worker, enum err e, uint64_t duration_us)
{
	tally_answer(s->own, worker, err_status(e), duration_us);
}
