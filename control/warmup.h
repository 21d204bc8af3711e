/*
 * Steps of slow start: while pods warm up, their services are settled anew
 * now and then, so that they take more and more. Main thread only.
 */
#ifndef CONTROL_WARMUP_H
#define CONTROL_WARMUP_H

struct event_base;
struct publish;
struct roster;
struct warmup;

/* NULL without memory. The others outlive it. */
struct warmup *warmup_new(
    struct event_base *base, struct publish *publish, struct roster *roster);
/* NULL is fine. */
void warmup_free(struct warmup *w);

/* The plan is another one: new pods begin to warm up. */
void warmup_look(struct warmup *w);

/* Nobody gets warmer any more. */
void warmup_stop(struct warmup *w);

#endif
