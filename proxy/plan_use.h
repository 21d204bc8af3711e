/*
 * A worker's own count of the requests that still use a plan, so that
 * holding one costs no shared cache line. When the last one lets go of a plan
 * that is no longer current, main is told. Worker thread only.
 */
#ifndef PROXY_PLAN_USE_H
#define PROXY_PLAN_USE_H

struct plan;
struct worker;

struct plan_use {
	struct plan *plan;
	struct worker *worker;
	unsigned users; /* the worker itself counts while it is current */
};

/* Makes the plan the current one; 0, or -1 without memory. */
int plan_use_set(struct worker *w, struct plan *p);
/* The current one, or one that is held already: once more. */
struct plan_use *plan_use_hold(struct plan_use *u);
void plan_use_drop(struct plan_use *u);
/* At the end of the worker: nobody is told. */
void plan_use_fini(struct worker *w);

#endif
