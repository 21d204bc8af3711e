/*
 * Whole lines, gathered into large writes to a file that may be slow, full,
 * or moved away. Never waits for a pipe; what a file refuses is counted. The
 * log writer's thread, but for what says otherwise.
 */
#ifndef PROXY_ACCESS_FILE_H
#define PROXY_ACCESS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that are gathered; a line is at most a quarter of it. */
#define ACCESS_FILE_BUFFER (1u << 18)

struct access_file {
	char buffer[ACCESS_FILE_BUFFER];
	int fd;	      /* -1: none */
	bool regular; /* it may be slow, but never says "later" */
	bool torn;    /* ends within a line that could not be completed */
	size_t n, at; /* bytes in the buffer; those of them that are written */
	_Atomic uint64_t lost; /* lines; read by any thread */
	int error;	       /* why, last; 0 = none since it was reset */
};

/* Any thread. "-" is stdout; created with mode 0640. -1 with errno set. */
int access_file_open(const char *path);
/* Any thread; stdout and -1 stay as they are. */
void access_file_close(int fd);

/*
 * Goes on with this file and closes the old one. Lines that the old one has
 * not taken go to the new one; of a line it took half of, the rest is lost.
 */
void access_file_switch(struct access_file *f, int fd);

/* Room for a line of that many bytes; NULL: the file takes nothing now. */
char *access_file_room(struct access_file *f, size_t n);
/* The line, its newline included, is in the room. */
void access_file_add(struct access_file *f, size_t n);

/* Writes all; false when the file takes no more of it now. */
bool access_file_flush(struct access_file *f);
/* Until it takes more, or so long. */
void access_file_wait(const struct access_file *f, int ms);
/* What is not yet written is lost. */
void access_file_give_up(struct access_file *f);

void access_file_lose(struct access_file *f, uint64_t lines);
uint64_t access_file_lost(const struct access_file *f);

#endif
