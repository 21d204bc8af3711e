/* Judging retries, and keeping bodies for them. */
#include "proxy/retry.h"

#include "router/budget.h"

void
retry_begin(struct retry *r, const struct retry_spec *spec, struct tally *own,
    unsigned worker, bool idempotent, bool has_body)
{
	*r = (struct retry){
	    .spec = spec,
	    .own = own,
	    .left = spec->attempts,
	    .idempotent = idempotent,
	    .keeping = has_body && spec->body_bytes > 0,
	};
	budget_pay(own, worker, spec->budget);
}

void
retry_end(struct retry *r)
{
	fifo_free(&r->kept);
}

void
retry_forget_body(struct retry *r)
{
	r->keeping = false;
	fifo_free(&r->kept);
}

void
retry_note_body(struct retry *r, struct span piece)
{
	r->body_begun = true;
	if (!r->keeping)
		return;
	if (fifo_span(&r->kept).n + piece.n > r->spec->body_bytes ||
	    !fifo_append(&r->kept, piece))
		retry_forget_body(r);
}

/* The service says so, and the method: the pod may have begun its work. */
static bool
is_allowed(const struct retry *r, enum err e)
{
	switch (err_reason(e)) {
	case REASON_CONNECT:
		return r->spec->on & RETRY_CONNECT;
	case REASON_TIMEOUT:
		return (r->spec->on & RETRY_TIMEOUT) && r->idempotent;
	case REASON_STATUS:
		return (r->spec->on & RETRY_STATUS) && r->idempotent;
	default:
		return (r->spec->on & RETRY_RESET) && r->idempotent;
	}
}

enum retry_verdict
retry_judge(struct retry *r, enum err e, enum upstream_loss loss, bool fresh)
{
	if (!err_may_retry(e) || (r->body_begun && !r->keeping))
		return RETRY_NO;
	if (loss != LOSS_PLAIN && !fresh)
		return r->idempotent || loss == LOSS_UNSENT ? RETRY_FREE
							    : RETRY_NO;
	if (r->left == 0 || r->spec->budget == 0 || !is_allowed(r, e))
		return RETRY_NO;
	if (budget_bounds(r->spec) && !budget_take(r->own))
		return RETRY_REFUSED;
	r->left--;
	return RETRY_YES;
}

void
retry_unjudge(struct retry *r)
{
	r->left++;
	if (budget_bounds(r->spec))
		budget_give_back(r->own);
}
