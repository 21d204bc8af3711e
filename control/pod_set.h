/*
 * Which pods a version has, and why: those of the file, those that people
 * have added, those that names resolve to, without those that people have
 * removed. Pure; main thread only.
 */
#ifndef CONTROL_POD_SET_H
#define CONTROL_POD_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/spec.h"

struct pod_set;

/* Who gives a pod. */
enum pod_source {
	POD_BY_PEOPLE, /* at run time */
	POD_BY_FILE,
	POD_BY_LAUNCH,
	POD_BY_NAME,
};

/* What is known of one address. */
struct pod_member {
	struct address address;
	bool filed;    /* in the file */
	bool added;    /* by people */
	bool launched; /* run by shunt: see control/launch.h */
	bool removed;  /* by people, although the file or a name has it */
	bool leaving;  /* drains, then it is gone */
	enum pod_source gave; /* it last, before nobody did */
	enum pod_order order;
	uint16_t filed_weight, added_weight, named_weight;
	const char **names; /* that resolve to it; they belong to the set */
	size_t nnames;
	/* that it had when it was stored, and has not resolved since; NULL */
	const char *awaited;
};

/* NULL without memory. */
struct pod_set *pod_set_new(const char *service, const char *version);
void pod_set_free(struct pod_set *s);

/* The plan in force does not follow it yet: the caller's to say and to ask. */
void pod_set_mark(struct pod_set *s, bool dirty);
bool pod_set_dirty(const struct pod_set *s);

const char *pod_set_service(const struct pod_set *s);
const char *pod_set_version(const struct pod_set *s);
bool pod_set_is_of(
    const struct pod_set *s, const char *service, const char *version);

/* NULL: nothing is known of it. Valid until the set is tidied. */
struct pod_member *pod_set_find(
    const struct pod_set *s, const struct address *a);
/* The same, made when there is none; NULL without memory. */
struct pod_member *pod_set_get(struct pod_set *s, const struct address *a);
size_t pod_set_size(const struct pod_set *s);
struct pod_member *pod_set_at(const struct pod_set *s, size_t i);

/* It was stored with this name, or NULL. -1 without memory. */
int pod_set_await(struct pod_set *s, struct pod_member *m, const char *name);

/* The i-th name that ever resolved, or was stored; NULL: no more. */
const char *pod_set_name(const struct pod_set *s, size_t i);

/* Who gives it: the first that does; of one that leaves, who did. */
enum pod_source pod_member_source(const struct pod_member *m);
/* Somebody gives it, and nobody has removed it. */
bool pod_member_wanted(const struct pod_member *m);
/* It is in the plan: wanted, or still leaving. */
bool pod_member_there(const struct pod_member *m);
/* By the file, else by people, else by a name. */
uint16_t pod_member_weight(const struct pod_member *m);
/* People did something to it that must outlive the process. */
bool pod_member_kept(const struct pod_member *m);

/*
 * The pods of the version if the file has these (NULL weights = all 1): the
 * file's in their order, then the others, among them those that would be
 * leaving. The caller frees; NULL without memory.
 */
struct pod_spec *pod_set_list(const struct pod_set *s,
    const struct address *filed, const uint16_t *weights, size_t nfiled,
    size_t *n);
/* The same with what the file has already. */
struct pod_spec *pod_set_now(const struct pod_set *s, size_t *n);

/*
 * The file has these now: they are as it says; others that it had, and that
 * nobody else gives, are leaving; and what people did to addresses that nobody
 * gives any more is void. -1 without memory: some of it may not be done.
 */
int pod_set_file(struct pod_set *s, const struct address *filed,
    const uint16_t *weights, size_t nfiled);

/*
 * The complete answer for a name. 1 when other pods follow from it, 0 when
 * not, -1 without memory: some of it may not be done.
 */
int pod_set_resolve(struct pod_set *s, const char *name,
    const struct address *list, const uint16_t *weights, size_t n);

/* Forgets the members of which nothing is left to say. */
void pod_set_tidy(struct pod_set *s);

#endif
