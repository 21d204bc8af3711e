/* Finding children in /proc: the kernel keeps no list that may be asked. */
#include "control/children.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its parent; 0 when it is dead, or gone. */
static pid_t
parent_of(const char *pid)
{
	char path[64], text[512], *after;
	ssize_t n;
	int fd, parent;
	char state;

	snprintf(path, sizeof path, "/proc/%.32s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	after = strrchr(text, ')'); /* the name may hold anything */
	if (after == NULL ||
	    sscanf(after + 1, " %c %d", &state, &parent) != 2 || state == 'Z')
		return 0;
	return parent;
}

unsigned
children_kill(children_spare *spare, void *arg)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned n = 0;
	pid_t self = getpid();

	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    parent_of(entry->d_name) != self)
			continue;
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (spare != NULL && spare(arg, pid))
			continue;
		if (kill(pid, SIGKILL) == 0)
			n++;
	}
	closedir(proc);
	return n;
}
