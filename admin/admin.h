/*
 * The admin API's server: HTTP/JSON on a Unix socket and, when configured, on
 * a TCP address, in control's event loop. Main thread only.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <stddef.h>

struct admin;
struct control;

/*
 * Binds what control's settings name: the Unix socket has mode 0600 from its
 * first moment. NULL with the reason in why (one line); nothing is left bound
 * then. The control must outlive the admin.
 */
struct admin *admin_new(struct control *c, char *why, size_t why_size);

/*
 * Closes everything and removes the Unix socket if it is still ours. Changes
 * under way go on; nobody waits for them any more. NULL is fine.
 */
void admin_free(struct admin *a);

#endif
