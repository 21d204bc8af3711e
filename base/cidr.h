/*
 * Blocks of IP addresses as people write them: "10.1.2.3", "10.0.0.0/8",
 * "fd00::/8". An address is its family and its 4 or 16 bytes. Pure.
 */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes after those of the family are 0. */
struct cidr {
	int family; /* AF_INET, AF_INET6 */
	uint8_t address[16];
	unsigned bits;
};

/*
 * False when it is no address, alone or with the length of its prefix, or
 * has a bit set after the prefix.
 */
bool cidr_parse(const char *text, struct cidr *c);

/* Whether the address is in the block. */
bool cidr_has(const struct cidr *c, int family, const uint8_t *address);
/* Whether it is in one of them. */
bool cidr_any_has(
    const struct cidr *blocks, size_t n, int family, const uint8_t *address);

/* The block as cidr_parse() takes it; buf has CIDR_TEXT_MAX bytes. */
#define CIDR_TEXT_MAX 50
void cidr_format(const struct cidr *c, char *buf);

#endif
