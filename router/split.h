/*
 * The exact split: hands out version indices so that after any N tickets
 * each version has had its share within one ticket, whatever the number of
 * versions and workers (Tijdeman's chairman assignment, 1980).
 *
 * The order is computed once for one period of the weights; a ticket is one
 * atomic increment and one table look-up. It is the only word that workers
 * share on the request path.
 */
#ifndef ROUTER_SPLIT_H
#define ROUTER_SPLIT_H

#include <stddef.h>
#include <stdint.h>

struct split;

/* Weights are kept in ten-thousandths: 80 is 800000, 0.01 is 100. */
#define WEIGHT_ONE	   10000u
#define WEIGHT_MAX	   (1000000ull * WEIGHT_ONE)
#define SPLIT_VERSIONS_MAX 255u
/* The smallest share of the whole that a non-zero weight may have. */
#define SPLIT_PERIOD_MAX 1000000u

/*
 * n weights, at least one above 0. NULL, with the reason in why (one line,
 * no newline), when they are all 0, too many, or differ by more than
 * SPLIT_PERIOD_MAX. One reference.
 */
struct split *split_new(
    const uint64_t *weights, size_t n, char *why, size_t why_size);
/* main thread only */
struct split *split_hold(struct split *s);
void split_drop(struct split *s);

/* Draws the next ticket: the index of a version. Any thread, no lock. */
unsigned split_next(struct split *s);

/* What the next ticket will be, unless another one is drawn before. */
unsigned split_peek(const struct split *s);

/* Pure: the version of the n-th ticket (0 is the first). */
unsigned split_at(const struct split *s, uint64_t n);

/* Tickets until the order repeats. */
uint32_t split_period(const struct split *s);

#endif
