/* What a version is chosen by, for longer than it is borrowed. Pure. */
#ifndef PROXY_KEEP_REQUEST_H
#define PROXY_KEEP_REQUEST_H

struct request;

/*
 * A copy with all that it points to, in one piece of memory: the caller frees
 * it. NULL without memory.
 */
struct request *keep_request(const struct request *r);

#endif
