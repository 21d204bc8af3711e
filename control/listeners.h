/*
 * The addresses we accept on, over start and reloads: opened before anything
 * changes, handed to the workers afterwards, kept while a connection of a
 * closed one lives. Main only.
 */
#ifndef CONTROL_LISTENERS_H
#define CONTROL_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

struct listener;
struct listeners;
struct mailbox;
struct settings;

struct listeners *listeners_new(unsigned nworkers);
/* Workers must be gone; NULL is fine. */
void listeners_free(struct listeners *l);

/*
 * Opens a socket per worker for each address of the settings that is not
 * open yet, and what each offers to who connects. On failure everything it
 * opened is closed, and -1 comes with "cannot listen on ADDRESS: ..." in why.
 * With `alone` an address that some process listens on already is an error even
 * where SO_REUSEPORT would allow to share it.
 */
int listeners_prepare(struct listeners *l, const struct settings *settings,
    bool alone, char *why, size_t why_size);
/* Takes listeners_prepare() back. */
void listeners_cancel(struct listeners *l);
/*
 * What open listeners offer is what was prepared from now on; to be called
 * once, before listeners_commit().
 */
void listeners_greet(struct listeners *l, struct mailbox *const *workers);
/*
 * Gives what was prepared to the workers, `workers` being their mailboxes,
 * and has those closed that the settings did not name.
 */
void listeners_commit(struct listeners *l, struct mailbox *const *workers);

/* A worker answered with MSG_LISTENER_CLOSED. */
void listeners_closed(struct listeners *l, const struct listener *listener);
/* Whether a worker has yet to close one. */
bool listeners_closing(const struct listeners *l);
/* Frees those that are closed and have no connection left. */
void listeners_reap(struct listeners *l);

/*
 * Addresses of open ones, and of closed ones with connections; false after
 * the last.
 */
bool listeners_get(const struct listeners *l, size_t i, const char **address,
    unsigned *connections);

#endif
