/*
 * The option tables of the config file and the readers they share. The root
 * table's target is a struct conf, the others' are named with them.
 * Main thread only.
 */
#ifndef CONF_TABLES_H
#define CONF_TABLES_H

#include "conf/option.h"
#include "router/match.h"
#include "router/spec.h"

struct certificate;
struct cidr;
struct conf;
struct listen_settings;
struct tls_settings;

/* What a pod's item says, before it is put into the arrays of its version. */
struct pod_entry {
	struct address address; /* len 0: it is none */
	struct pod_name name;	/* instead; without text it is none */
	uint32_t weight;
};

extern const struct option conf_options[];
extern const struct option listener_options[]; /* struct listen_settings */
extern const struct option resolver_options[]; /* struct resolver_settings */
extern const struct option log_options[];      /* struct access_log_settings */
extern const struct option admin_options[];    /* struct settings */
extern const struct option timeout_options[];  /* struct timeouts */
extern const struct option limit_options[];    /* struct limits */
extern const struct option forward_options[];  /* struct forward */
extern const struct option tls_options[];      /* struct tls_settings */
extern const struct option certificate_options[]; /* struct tls_settings */
extern const struct option hsts_options[];	  /* of read_hsts() */
extern const struct option pod_tls_options[];	  /* of resolve_links() */
extern const struct option service_options[];	  /* struct service_spec */
extern const struct option pod_options[];	  /* struct pod_entry */
extern const struct option load_options[];	  /* struct load_limits */
extern const struct option launch_options[];	  /* struct launch_spec */
extern const struct option mirror_options[];	  /* struct mirror_spec */
extern const struct option health_options[];	  /* struct health_rules */
extern const struct option balance_options[];	  /* struct service_spec */
extern const struct option outlier_options[];	  /* struct outlier_rules */
extern const struct option cohort_options[];	  /* of read_cohort() */
extern const struct option sticky_options[];	  /* struct sticky */
extern const struct option route_options[];	  /* struct route_spec */
extern const struct option edit_options[];	  /* struct edits */
extern const struct option rule_options[];	  /* struct rule_spec */
extern const struct option match_options[];	  /* struct match */
extern const struct option release_options[];	  /* struct release */
extern const struct option gate_options[];	  /* struct gates */
extern const struct option hook_options[];	  /* struct hook */

/* In the order of enum pod_protocol. */
extern const char *const pod_protocol_words[];
/* Of `empty`; stable is 1. */
extern const char *const empty_words[];

option_reader read_address;    /* struct address, of a listener */
option_reader read_listeners;  /* struct settings */
option_reader read_workers;    /* unsigned */
option_reader read_state_path; /* char * */
option_reader read_resolver;   /* struct resolver_settings */
option_reader read_services;   /* struct spec */
option_reader read_routes;     /* struct service_spec */
option_reader read_edits;      /* struct edits */
option_reader read_rules;      /* struct service_spec */
option_reader read_match;      /* struct match * */
option_reader read_pods;       /* struct version_spec */
option_reader read_health;     /* struct health_rules */
option_reader read_fields;     /* struct edits: a map of names and values */
option_reader read_authority;  /* char *: a host, perhaps with a port */
option_reader read_balance;    /* struct service_spec */
option_reader read_load;       /* struct load_limits */
option_reader read_launch;     /* struct launch_spec * */
option_reader read_mirror;     /* struct mirror_spec */
option_reader read_outlier;    /* struct outlier_rules */
option_reader read_cohort;     /* struct cohort */
option_reader read_hash_name;  /* struct hash_key, by the row's own key */
option_reader read_seconds;    /* uint64_t, milliseconds: of whole seconds */
option_reader read_sticky;     /* struct sticky */
option_reader read_redirect;   /* uint16_t */
option_reader read_hsts;       /* char * */
option_reader read_tls;	       /* struct tls_settings * */
option_reader read_trust;      /* struct trust * */
option_reader read_headers;    /* struct match *: tests of a head */
option_reader read_body;       /* struct pattern *; NULL for "" */
option_reader read_release;    /* struct release *, which is there */
option_reader read_gates;      /* struct gates */
option_reader read_schedule;   /* struct schedule * */
option_reader read_hooks;      /* struct release */
option_reader read_micros;     /* uint64_t, microseconds: of milliseconds */
option_reader read_file_name;  /* nothing: whether it can be one */

/*
 * Room for the members of a list or map; NULL, and an error, without memory.
 * The caller frees.
 */
void *read_alloc(struct errors *e, const struct node *list, size_t size);
/* A copy, the caller's; NULL, and an error, without memory. */
char *read_copy(struct errors *e, const char *text);
/*
 * The path of a file that the config names: a relative one starts in the
 * config's folder. The caller's; NULL, and an error, without memory.
 */
char *read_file_path(struct errors *e, const char *text);
/* That of the file that a scalar names; NULL, and an error, when it is none. */
char *read_file_named(
    struct errors *e, const struct option *o, const struct node *value);
/*
 * What is wrong with a file, at its name. A reason may hold that name, and so
 * any byte: it becomes one line here.
 */
void read_refuse_file(struct errors *e, const struct node *value, char *why);
/* Whether it is one or more labels of letters, digits, "-" and "_". */
bool read_labels(const char *host);
/* Whether it is a name that a name server may be asked for: such labels,
 * perhaps with a dot at the end, and no IPv4 address. */
bool read_host_name(const char *host);
/* One that none is to be asked for (RFC 6761 6.3). */
bool read_localhost(const char *host);
/* Whether it is a token (RFC 9110 5.6.2), as methods and header names are. */
bool read_token(const char *s);
/*
 * A pod that is written as a name. False, and nothing done, when the text
 * looks like none; true with an error and no name when it is a wrong one.
 */
bool read_pod_name(
    struct errors *e, const struct node *value, struct pod_name *name);
/* NULL is fine. */
void tls_settings_free(struct tls_settings *t);
/*
 * The certificate that the keys certificate, key and perhaps ocsp of a map
 * name. NULL, and an error, when it is of no use; silent where a name is
 * missing.
 */
struct certificate *read_certificate(struct errors *e, const struct node *map);
/* Whether the map has both keys, certificate and key; else an error. */
bool read_pair_there(struct errors *e, const struct node *map);
/* Whether the map has one of the table's keys and no other; else an error. */
bool read_single_key(
    struct errors *e, const struct option *table, const struct node *map);
/*
 * "200" or "200-299", within the row's min and max; false, reported, when it
 * is none.
 */
bool read_range(struct errors *e, const struct option *o,
    const struct node *value, int *min, int *max);
/* NULL, and an error, when it is none. The caller frees. */
struct pattern *read_pattern(
    struct errors *e, const struct node *value, enum pattern_kind kind);
/* One address block; false, reported, when it is none. */
bool read_block(struct errors *e, const struct node *value, struct cidr *block);

/*
 * The cross-check passes. They walk the tree beside what was read from it:
 * the i-th member there is the i-th element here.
 */

/* Names of versions in stable, weights, rules and mirror to indexes. */
void resolve_versions(
    struct errors *e, const struct node *service, struct service_spec *s);
/* `protocol` and `tls` of a service and of its versions, to the versions. */
void resolve_links(
    struct errors *e, const struct node *service, struct service_spec *s);
/* What in `health` does not go together, or not with the pods. */
void check_health(
    struct errors *e, const struct node *service, const struct service_spec *s);
/* What only all keys of a listener together can tell. */
void check_listener(struct errors *e, const struct node *listener,
    const struct listen_settings *l);
/* That no two names of a version are the same; before squeeze_pods(). */
void check_pod_names(
    struct errors *e, const struct node *pods, const struct version_spec *v);
/* Pods that are written as names have a place without address until here. */
void squeeze_pods(struct version_spec *v);
/* What must be unique: pods, listeners, routes. */
void check_unique(
    struct errors *e, const struct node *root, const struct conf *c);

#endif
