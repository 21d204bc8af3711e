/*
 * What becomes of the head of a pod's response before it goes to the client:
 * the route's edits, and the fields that are ours. Worker thread only.
 */
#ifndef PROXY_ANSWER_H
#define PROXY_ANSWER_H

struct h1_head;
struct txn;

/*
 * The head to be sent: `h` itself where nothing changes, else `out`, whose
 * fields are valid until this callback is over. For final heads and 101.
 */
const struct h1_head *answer_head(
    struct txn *t, const struct h1_head *h, struct h1_head *out);

#endif
