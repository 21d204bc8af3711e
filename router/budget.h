/*
 * The retry budget of a service, of all its workers together, as a debt in the
 * service's own tally: each retry adds one, each request pays back a share of
 * one, and at BUDGET_PER_WORKER for each worker there are no more. So a quiet
 * service may still retry, and one that fails is not buried under retries.
 * While nothing is owed no worker writes anything that another one reads.
 */
#ifndef ROUTER_BUDGET_H
#define ROUTER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct retry_spec;
struct tally;

/* A retry, in hundredths of a percent as retry_spec.budget. */
#define BUDGET_ONE	  10000u
#define BUDGET_PER_WORKER 20u
/* It is free again when none was refused for so long, and half is paid. */
#define BUDGET_CALM_US 10000000u

/*
 * A request pays. What is less than a whole retry is kept by the worker, so
 * that the debt is written by one in several requests. By that worker.
 */
void budget_pay(struct tally *own, unsigned worker, uint32_t share);
/* One retry is made; false when there is none left. Any worker. */
bool budget_take(struct tally *own);
/* One that was taken is not made after all. Any worker. */
void budget_give_back(struct tally *own);
/* So many could be made now. Any thread. */
uint32_t budget_left(const struct tally *own);

/* It bounds retries: they are made, and not without limit. */
bool budget_bounds(const struct retry_spec *spec);

enum budget_news {
	BUDGET_AS_IT_WAS,
	BUDGET_SPENT, /* retries are being refused */
	BUDGET_FREE,  /* no longer */
};

/* What led to it. */
struct budget_story {
	uint64_t made, refused; /* retries, ... */
	uint64_t us;		/* ... since it was spent so long ago, else 0 */
};

/*
 * Called each second or so: whether it has become spent or free since the last
 * call. What became spent tells what happened since that call, what became free
 * what happened since it was spent. Main thread only.
 */
enum budget_news budget_look(struct tally *own, const struct retry_spec *spec,
    uint64_t now_us, struct budget_story *story);

#endif
