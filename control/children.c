/* Finding children in /proc: the kernel keeps no list that may be asked. */
#include "control/children.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

struct process {
	pid_t pid, parent, group;
	unsigned long long begun; /* in ticks since the machine was */
	bool below;		  /* us */
};

/* False when it is dead, or gone. See proc_pid_stat(5). */
static bool
look(pid_t pid, struct process *p)
{
	char path[64], text[512], *after;
	ssize_t n;
	int fd;
	char state;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*p = (struct process){.pid = pid};
	after = strrchr(text, ')'); /* the name may hold anything */
	return after != NULL &&
	       sscanf(after + 1,
		   " %c %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%*s %*s %*s %*s %*s %llu",
		   &state, &p->parent, &p->group, &p->begun) == 4 &&
	       state != 'Z';
}

/* The next one that is there; false after the last. */
static bool
next_process(DIR *proc, struct process *p)
{
	const struct dirent *entry;

	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    look((pid_t)strtol(entry->d_name, NULL, 10), p))
			return true;
	return false;
}

unsigned
children_kill(children_spare *spare, void *arg)
{
	DIR *proc = opendir("/proc");
	struct process p;
	unsigned n = 0;

	if (proc == NULL)
		return 0;
	while (next_process(proc, &p)) {
		if (p.parent != getpid() ||
		    (spare != NULL && spare(arg, p.pid)))
			continue;
		if (kill(p.pid, SIGKILL) == 0)
			n++;
	}
	closedir(proc);
	return n;
}

static int
pid_order(const void *va, const void *vb)
{
	const struct process *a = va, *b = vb;

	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* All there are, by number; the caller frees. */
static struct process *
list_all(size_t *n)
{
	DIR *proc = opendir("/proc");
	struct process p, *all = NULL, *more;

	*n = 0;
	if (proc == NULL)
		return NULL;
	while (next_process(proc, &p)) {
		more = reallocarray(all, *n + 1, sizeof *all);
		if (more == NULL)
			break;
		all = more;
		all[(*n)++] = p;
	}
	closedir(proc);
	if (*n > 0)
		qsort(all, *n, sizeof *all, pid_order);
	return all;
}

/*
 * Marks those whose parent is us, or marked already; whether there were more.
 * One that is older than its parent has lost it to another with its number.
 */
static bool
mark_below(struct process *all, size_t n)
{
	bool more = false;

	for (size_t i = 0; i < n; i++) {
		const struct process wanted = {.pid = all[i].parent};
		const struct process *parent =
		    bsearch(&wanted, all, n, sizeof *all, pid_order);

		if (all[i].below || !(all[i].parent == getpid() ||
					(parent != NULL && parent->below &&
					    parent->begun <= all[i].begun)))
			continue;
		all[i].below = more = true;
	}
	return more;
}

/* It is held while it is looked at again, lest another has its number. */
static void
ask_to_end(const struct process *p)
{
	struct process now;
	int fd = pidfd_open(p->pid, 0);

	if (fd < 0)
		return;
	if (look(p->pid, &now) && now.begun == p->begun)
		pidfd_send_signal(fd, SIGTERM, NULL, 0);
	close(fd);
}

void
children_ask_to_end(pid_t group)
{
	size_t n;
	struct process *all = list_all(&n);

	while (mark_below(all, n))
		;
	for (size_t i = 0; i < n; i++)
		if (all[i].below && all[i].group != group)
			ask_to_end(&all[i]);
	free(all);
}
