/*
 * The admin API's listening sockets, and who owns the name of the Unix one.
 * Main thread only.
 */
#ifndef ADMIN_SOCKET_H
#define ADMIN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct address;

/* A bound Unix socket and the file that names it. */
struct unix_socket {
	int fd;
	char *path; /* NULL = none */
	dev_t device;
	ino_t inode;
};

/*
 * Whether somebody answers on this Unix socket: then why names the path.
 * Nothing is changed.
 */
bool socket_taken(const char *path, char *why, size_t why_size);

/*
 * Binds and listens, mode 0600. A socket nobody answers on is replaced; one
 * that somebody serves, and any other file, is an error. -1 with why.
 */
int socket_bind_unix(
    const char *path, struct unix_socket *s, char *why, size_t why_size);

/* Removes the file if it is still the one that was bound; the fd is kept. */
void socket_unlink(struct unix_socket *s);

/* A listening TCP socket, or -1 with why. */
int socket_bind_tcp(const struct address *a, char *why, size_t why_size);

#endif
