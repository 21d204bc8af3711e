/* Names that pods are resolved from, as the API shows them. Main thread only.
 */
#ifndef ADMIN_NAMES_H
#define ADMIN_NAMES_H

struct control;
struct json_t;
struct pod_member;

/* Those of a version; a new reference, NULL without memory. */
struct json_t *names_json(
    const struct control *control, const char *service, const char *version);

/* Those that resolve to a pod; the same. The member may be NULL. */
struct json_t *member_names_json(const struct pod_member *m);

#endif
