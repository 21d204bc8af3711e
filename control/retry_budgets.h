/*
 * Saying when the retry budget of a service is used up, and when it is free
 * again. Main thread only.
 */
#ifndef CONTROL_RETRY_BUDGETS_H
#define CONTROL_RETRY_BUDGETS_H

struct events;
struct plan;

/* Called each second: an event for each service whose budget has become so. */
void retry_budgets_look(struct events *ev, const struct plan *plan);

#endif
