/*
 * How many connections each client address has, over all workers. Touched
 * only when a connection begins or ends, and only where a limit is set; each
 * call takes one short lock out of many. Any thread.
 */
#ifndef PROXY_CLIENT_TABLE_H
#define PROXY_CLIENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_table;

/* NULL without memory. */
struct client_table *client_table_new(void);
/* No other thread uses it any more; NULL is fine. */
void client_table_free(struct client_table *t);

/*
 * Counts one more connection of the address: 4 bytes with AF_INET, 16 with
 * AF_INET6, of which the first 8, a /64, are one client. False, and nothing
 * is counted, when it has `limit` already or memory is short; true has to be
 * taken back by one client_table_leave(). Another family than these two has
 * no limit.
 */
bool client_table_enter(
    struct client_table *t, int family, const uint8_t *address, uint32_t limit);
/* One connection less; the address must have entered. */
void client_table_leave(
    struct client_table *t, int family, const uint8_t *address);

/* Addresses that have a connection now. */
size_t client_table_size(struct client_table *t);

#endif
