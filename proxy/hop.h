/*
 * Fields that concern one hop (RFC 9110 7.6.1), and those that we write
 * ourselves: they are not passed on. Pure.
 */
#ifndef PROXY_HOP_H
#define PROXY_HOP_H

#include <stdbool.h>

#include "proxy/h1_parse.h"

bool hop_field(const struct h1_head *h, const struct field *f);
/* Those of them that are so whatever Connection says. */
bool hop_id(enum field_id id);

#endif
