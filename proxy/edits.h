/*
 * A route's edits of header fields (router/route.h), on heads as they are
 * written for pods and as pods sent them. Pure: bytes to bytes.
 */
#ifndef PROXY_EDITS_H
#define PROXY_EDITS_H

#include "proxy/h1_parse.h"
#include "router/route.h"

/*
 * On field lines as we wrote them, from begin to end, with room for e->bytes
 * more behind them; returns the new end.
 */
char *edits_write(const struct edits *e, char *begin, char *end);

/*
 * On a parsed head: `out` is the same head with other fields, in an array for
 * `max`, which is at least h->nfields + EDITS_MAX. They point to where h's do
 * and into the edits. What frames the message stays.
 */
void edits_apply(const struct edits *e, const struct h1_head *h,
    struct field *fields, unsigned max, struct h1_head *out);

#endif
