/* Booking outcomes on the one who caused them. */
#include "proxy/stats.h"

#include "proxy/grpc.h"
#include "router/plan.h"
#include "router/tally.h"

bool
stats_bad_status(const struct service *s, int status)
{
	return status >= s->terms->error_min && status <= s->terms->error_max;
}

static bool
is_error(const struct service *s, int status, int grpc_status)
{
	return stats_bad_status(s, status) ||
	       (grpc_status != GRPC_NONE &&
		   (s->terms->error_grpc >> grpc_status & 1) != 0);
}

bool
stats_answer(const struct service *s, const struct version *v, unsigned worker,
    int status, int grpc_status, enum reason soft, uint64_t duration_us)
{
	const enum reason reason =
	    is_error(s, status, grpc_status) ? REASON_STATUS : soft;

	tally_answer(v->tally, worker, status, duration_us);
	tally_error(v->tally, worker, reason);
	return reason != REASON_NONE;
}

void
stats_failure(const struct version *v, unsigned worker, enum err e)
{
	tally_error(v->tally, worker, err_reason(e));
}

void
stats_refused(const struct service *s, unsigned worker, enum err e)
{
	tally_error(s->own, worker, err_reason(e));
}

void
stats_retry(const struct service *s, const struct version *v, unsigned worker)
{
	tally_retry(v->tally, worker);
	tally_retry(s->own, worker);
}

void
stats_retry_refused(
    const struct service *s, const struct version *v, unsigned worker)
{
	tally_refused(v->tally, worker);
	tally_refused(s->own, worker);
}

void
stats_reply(
    const struct service *s, unsigned worker, enum err e, uint64_t duration_us)
{
	tally_answer(s->own, worker, err_status(e), duration_us);
}
