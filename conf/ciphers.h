/*
 * Names of ciphers, as the config lists them, against those that there are.
 * Main thread only.
 */
#ifndef CONF_CIPHERS_H
#define CONF_CIPHERS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether OpenSSL takes the list for TLS 1.2, in its own syntax. OpenSSL
 * skips what it does not know; here each cipher that is asked for must exist.
 * False with the reason in why.
 */
bool ciphers_check(const char *list, char *why, size_t why_size);
/* The same for TLS 1.3, whose lists are names with ":" between them. */
bool ciphersuites_check(const char *list, char *why, size_t why_size);

#endif
