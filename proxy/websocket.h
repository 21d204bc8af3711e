/*
 * The two texts of a WebSocket handshake (RFC 6455 4) that somebody must
 * write when one side of us speaks HTTP/1.1 and the other HTTP/2, where the
 * handshake has neither (RFC 8441 5). Pure.
 */
#ifndef PROXY_WEBSOCKET_H
#define PROXY_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define WEBSOCKET_KEY_SIZE    24u
#define WEBSOCKET_ACCEPT_SIZE 28u

/* A Sec-WebSocket-Key out of 16 random bytes; not terminated. */
void websocket_key(
    uint64_t random_a, uint64_t random_b, char out[WEBSOCKET_KEY_SIZE]);

/*
 * The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key; not terminated.
 * False when the key is none (RFC 6455 4.2.1), or without memory.
 */
bool websocket_accept(struct span key, char out[WEBSOCKET_ACCEPT_SIZE]);

#endif
