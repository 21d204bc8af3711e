/*
 * What outlives the process, in one SQLite file: everything that was set at
 * run time. Whoever changes something writes it here before it is answered.
 * Main thread only; a transaction costs one fsync.
 */
#ifndef CONTROL_STORE_H
#define CONTROL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* One version's weight as set at run time. Texts are borrowed. */
struct stored_weight {
	const char *service, *version;
	uint64_t weight; /* in 1/WEIGHT_ONE */
	uint64_t filed;	 /* the file's own when it was set */
};

/* What people did to one pod. */
struct stored_pod {
	const char *service, *version, *address;
	bool added, removed;
	uint16_t weight;  /* with which it was added */
	unsigned order;	  /* enum pod_order */
	const char *name; /* that resolves to it; NULL = none */
};

/* Cookies of which epoch hold. */
struct stored_epoch {
	const char *service;
	const char *version; /* NULL: the highest of the service so far */
	uint32_t epoch;
};

/*
 * Opens the file, made when it is not there, and keeps others away from it
 * until store_close(). Without a path (NULL) everything is accepted and
 * nothing is kept, which is said once. NULL with the reason, and what to do,
 * in why.
 */
struct store *store_open(const char *path, char *why, size_t why_size);
/* NULL is fine. */
void store_close(struct store *s);

/*
 * Changes between these two are made together, or not at all: -1 when they
 * could not be kept. That is logged, and stops nobody; the store is behind
 * then, until everything there is has been written between store_begin() and
 * store_end_whole().
 */
void store_begin(struct store *s);
int store_end(struct store *s);
int store_end_whole(struct store *s);

/* It has a file. */
bool store_is_file(const struct store *s);
/* Something that was to be kept is not. */
bool store_behind(const struct store *s);
/* Why, in words; NULL when everything is kept. */
const char *store_problem(const struct store *s);

/* Between store_begin() and store_end(). */
void store_put_weight(struct store *s, const struct stored_weight *w);
void store_drop_weights(struct store *s); /* all of them */
void store_put_pod(struct store *s, const struct stored_pod *p);
void store_drop_pod(struct store *s, const char *service, const char *version,
    const char *address);
void store_drop_pods(struct store *s); /* all of them */
void store_put_epoch(struct store *s, const struct stored_epoch *e);
void store_drop_epochs(struct store *s, const char *service);

/*
 * In the order of service and version, none first. What a row points to is good
 * during the call, which must not write. -1 when it cannot be read.
 */
int store_each_weight(struct store *s,
    void (*each)(void *arg, const struct stored_weight *w), void *arg);
int store_each_pod(struct store *s,
    void (*each)(void *arg, const struct stored_pod *p), void *arg);
int store_each_epoch(struct store *s,
    void (*each)(void *arg, const struct stored_epoch *e), void *arg);

#endif
