/*
 * The kinds of bytes that proxy/h1_scan.h knows, a byte at a time and in the
 * words of the RFC: what the fast scan is compared with.
 */
#ifndef TESTS_UNIT_PROXY_H1_SCAN_REF_H
#define TESTS_UNIT_PROXY_H1_SCAN_REF_H

#include <stdbool.h>
#include <string.h>

#include "proxy/h1_scan.h"

typedef const char *scan_fn(const char *p, const char *end);

/* tchar = "!" / "#" / ... / DIGIT / ALPHA (RFC 9110 5.6.2) */
static inline bool
ref_is_token(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* field-vchar, SP, HTAB (RFC 9110 5.5) */
static inline bool
ref_is_value(unsigned char c)
{
	return c == ' ' || c == '\t' || (c >= 0x21 && c <= 0x7e) || c >= 0x80;
}

/* VCHAR (RFC 5234 B.1) */
static inline bool
ref_is_target(unsigned char c)
{
	return c >= 0x21 && c <= 0x7e;
}

struct ref_kind {
	const char *name;
	scan_fn *scan;
	bool (*is)(unsigned char c);
};

static const struct ref_kind ref_kinds[] = {
    {"token", scan_token, ref_is_token},
    {"value", scan_value, ref_is_value},
    {"target", scan_target, ref_is_target},
};

#define REF_KINDS (sizeof ref_kinds / sizeof ref_kinds[0])

static inline const char *
ref_scan(const struct ref_kind *k, const char *p, const char *end)
{
	while (p < end && k->is((unsigned char)*p))
		p++;
	return p;
}

#endif
