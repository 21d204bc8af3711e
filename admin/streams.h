/*
 * Answers that do not end: events as they happen, in the format of
 * server-sent events (WHATWG HTML 9.2). Main thread only.
 */
#ifndef ADMIN_STREAMS_H
#define ADMIN_STREAMS_H

struct control;
struct streams;

/* Of control's events. NULL without memory. The control outlives it. */
struct streams *streams_new(struct control *control);
/* Ends all streams; NULL is fine. */
void streams_free(struct streams *s);

#endif
