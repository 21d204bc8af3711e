/*
 * What a cookie of ours says besides its name and value (RFC 6265 4.1): how
 * long it lasts, and that scripts and other sites do not get it. Pure.
 */
#ifndef PROXY_SET_COOKIE_H
#define PROXY_SET_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest, with the end of a string. */
#define SET_COOKIE_ATTRIBUTES \
	sizeof "; Max-Age=4294967295; Path=/; HttpOnly; SameSite=Lax; Secure"

/* Into SET_COOKIE_ATTRIBUTES bytes; returns the length. */
size_t set_cookie_attributes(char *buf, uint32_t ttl_s, bool secure);

#endif
