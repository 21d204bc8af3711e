/*
 * The table of everything the admin API answers to, and the one walk over it.
 * Main thread only.
 */
#ifndef ADMIN_ENDPOINTS_H
#define ADMIN_ENDPOINTS_H

struct call;

/* Leads a call to its handler, or answers what is wrong with it. */
void endpoints_dispatch(struct call *c);

#endif
