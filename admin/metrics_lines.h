/*
 * Lines of the Prometheus text format that several families of metrics have
 * in common. Main thread only.
 */
#ifndef ADMIN_METRICS_LINES_H
#define ADMIN_METRICS_LINES_H

struct evbuffer;
struct tally_sum;

/* The head of a family. */
void metrics_head(
    struct evbuffer *out, const char *name, const char *type, const char *help);

/*
 * service="...",version="...", without the latter where that is NULL; the
 * caller frees it, NULL without memory.
 */
char *metrics_labels(const char *service, const char *version);

/* A line for each status that was counted, and one for each reason. */
void metrics_codes(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum);
void metrics_errors(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum);

/* Histograms: of the durations, and of how long requests have waited. */
void metrics_histogram(struct evbuffer *out, const char *name,
    const char *labels, const struct tally_sum *sum);
void metrics_waits(struct evbuffer *out, const char *name, const char *labels,
    const struct tally_sum *sum);

#endif
