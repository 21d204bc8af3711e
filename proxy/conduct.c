/* Counting what attempts came to, and telling main of pods that fail. */
#include "proxy/conduct.h"

#include "proxy/mailbox.h"
#include "proxy/worker_state.h"
#include "router/plan.h"
#include "router/pod.h"

static void
failed(struct worker *w, const struct service *s, struct pod *pod, bool connect)
{
	if (outlier_failed(&s->terms->outlier, &pod->row, connect))
		mailbox_send(w->to_main, &(struct message){
					     .kind = MSG_POD_FAILS,
					     .worker = w->index,
					 });
}

void
conduct_answer(
    struct worker *w, const struct service *s, struct pod *pod, bool error)
{
	if (!s->terms->outlier.enabled)
		return;
	pod_attempt(pod, w->index);
	if (error)
		failed(w, s, pod, false);
	else
		outlier_answered(&pod->row);
}

void
conduct_failure(
    struct worker *w, const struct service *s, struct pod *pod, enum err e)
{
	const enum reason reason = err_reason(e);

	if (!s->terms->outlier.enabled || reason == REASON_NONE ||
	    reason == REASON_CLIENT_ABORT)
		return;
	pod_attempt(pod, w->index);
	failed(w, s, pod, reason == REASON_CONNECT);
}
