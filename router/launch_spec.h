/*
 * How shunt runs a pod of a version: what the file's `launch` says, shared by
 * whoever runs pods by it, and unchanged. And what stands for {port} and the
 * like in its texts. Pure; main thread only.
 */
#ifndef ROUTER_LAUNCH_SPEC_H
#define ROUTER_LAUNCH_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"

/* Bytes of the command and the environment together, as written. */
#define LAUNCH_TEXT_MAX	    (64u * 1024)
#define LAUNCH_REPLICAS_MAX 1000u

struct launch_env {
	char *name, *value;
};

enum launch_listen {
	LAUNCH_PORT,
	LAUNCH_SOCKET,
};

struct launch_spec {
	unsigned refs;
	uint32_t replicas;
	char **command; /* with a NULL at its end; [0] is absolute, or a name */
	size_t ncommand;
	struct launch_env *env;
	size_t nenv;
	char *directory; /* absolute */
	/* as whom it runs; what shunt itself is where it is not told */
	char *user, *group; /* as written; NULL = not told */
	uid_t uid;	    /* with user */
	gid_t gid;	    /* with user or group */
	gid_t *groups;	    /* besides */
	size_t ngroups;
	enum launch_listen listen;
	struct address address; /* of any port */
	uint32_t port_first, port_last;
	uint32_t start_ms, grace_ms;
	uint32_t backoff_min_ms, backoff_max_ms;
	uint64_t memory; /* bytes; 0 = no limit of its own */
	uint32_t files, processes;
};

/* One reference; NULL without memory. */
struct launch_spec *launch_spec_new(void);
struct launch_spec *launch_spec_hold(struct launch_spec *s);
/* NULL is fine. */
void launch_spec_drop(struct launch_spec *s);

/* Whether a pod of the one is as good as one of the other. */
bool launch_spec_same(const struct launch_spec *a, const struct launch_spec *b);

/* What placeholders stand for; NULL where there is nothing. */
struct launch_words {
	const char *service, *version, *pod;
	const char *address, *port; /* with LAUNCH_PORT */
	const char *socket;	    /* with LAUNCH_SOCKET */
};

/*
 * The text with {port} and the like replaced; {{x}} becomes {x}, and braces
 * around anything but lower case letters and "_" stay. The caller frees; NULL
 * without memory.
 */
char *launch_expand(const char *text, const struct launch_words *words);

/*
 * What is wrong with its placeholders, in words of what is expected and found;
 * false when nothing is.
 */
bool launch_text_fault(
    const char *text, enum launch_listen listen, char *why, size_t why_size);

#endif
