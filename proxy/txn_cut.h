/* Ending what goes on with a pod that is to be left alone. Worker thread. */
#ifndef PROXY_TXN_CUT_H
#define PROXY_TXN_CUT_H

#include <stdbool.h>

struct pod;
struct worker;

/*
 * Ends the tunnels to the pod, cleanly towards their clients, or everything
 * that is in flight there: what was not yet answered is answered with 503.
 * How many there were.
 */
unsigned txn_cut(struct worker *w, struct pod *pod, bool everything);

#endif
