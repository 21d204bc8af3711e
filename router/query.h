/*
 * The parameters of a query, as forms write them (the URL Standard's
 * application/x-www-form-urlencoded): name=value, joined by '&', with %XX for
 * bytes and '+' for a space. Pure.
 */
#ifndef ROUTER_QUERY_H
#define ROUTER_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/*
 * The next parameter of that (decoded) name: its value as it was sent, empty
 * where there is no '='. False when none is left; *rest is what is left.
 */
bool query_find(struct span *rest, struct span name, struct span *value);

/* Whether decoding changes it. */
bool query_coded(struct span raw);

/*
 * Decodes into size bytes; a '%' without two hexadecimal digits stands for
 * itself. False when it does not fit.
 */
bool query_decode(struct span raw, char *buf, size_t size, size_t *n);

#endif
