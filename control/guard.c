/* Main's end of the guard's socket: orders that wait, reports that come. */
#include "control/guard.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/queue.h"
#include "control/children.h"
#include "control/guard_main.h"
#include "control/guard_wire.h"

#define LAUNCHER_MAGIC 0x9a2d0001u
#define SELF	       "/proc/self/exe"
/* Between two looks at what a dead guard has left behind. */
#define CLEAN_MS 20u

enum guard_state {
	GUARD_NONE,
	GUARD_REFUSED, /* it cannot be started: whoever waits is to be told */
	GUARD_RUNS,
	GUARD_CLEANING, /* it is dead; what it left is being killed */
};

struct launched {
	LIST_ENTRY(launched) link;
	uint32_t id;
	void *arg;
	bool over; /* FAILED or EXITED was told */
	bool lost; /* its guard is dead */
};

/* An order on its way. */
struct parcel {
	STAILQ_ENTRY(parcel) link;
	int right; /* the descriptor that goes with it, or -1 */
	size_t size;
	union {
		struct guard_order order;
		struct guard_start start;
		char bytes[1];
	} packet; /* longer than that */
};

struct launcher {
	unsigned magic;
	enum guard_state state;
	struct event_base *base;
	launcher_told *told;
	pid_t pid;
	int fd;
	uint32_t last_id;
	LIST_HEAD(, launched) jobs;
	STAILQ_HEAD(, parcel) parcels;
	struct event readable, writable, clean;
	struct event *on_child;
};

static const char *const step_words[GUARD_STEPS] = {
    [GUARD_STEP_FORK] = "no process for it",
    [GUARD_STEP_LIMITS] = "its limits",
    [GUARD_STEP_USER] = "its user",
    [GUARD_STEP_DIRECTORY] = "its directory",
    [GUARD_STEP_COMMAND] = "its command",
};

static void guard_ensure(struct launcher *l);

static void
tell(struct launcher *l, struct launched *j, enum launcher_event event, int pid,
    const char *why)
{
	void *arg = j->arg;

	if ((event == LAUNCHER_FAILED || event == LAUNCHER_EXITED) && j->over)
		return;
	j->over |= event == LAUNCHER_FAILED || event == LAUNCHER_EXITED;
	if (event == LAUNCHER_GONE) {
		LIST_REMOVE(j, link);
		free(j);
	}
	l->told(arg,
	    &(struct launcher_news){.event = event, .pid = pid, .why = why});
}

static void
parcel_drop(struct launcher *l)
{
	struct parcel *p = STAILQ_FIRST(&l->parcels);

	STAILQ_REMOVE_HEAD(&l->parcels, link);
	if (p->right >= 0)
		close(p->right);
	free(p);
}

/* Room for so many bytes; NULL without memory. */
static struct parcel *
parcel_new(size_t size)
{
	struct parcel *p = calloc(1, offsetof(struct parcel, packet) + size +
					 sizeof(struct guard_start));

	if (p == NULL)
		return NULL;
	p->right = -1;
	p->size = size;
	return p;
}

static ssize_t
parcel_send(int fd, struct parcel *p)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} rights = {{0}};
	struct iovec v = {p->packet.bytes, p->size};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (p->right >= 0) {
		m.msg_control = rights.bytes;
		m.msg_controllen = sizeof rights.bytes;
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &p->right, sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* As many as the guard takes; the others when it has room. */
static void
send_parcels(struct launcher *l)
{
	while (l->state == GUARD_RUNS && !STAILQ_EMPTY(&l->parcels)) {
		struct parcel *p = STAILQ_FIRST(&l->parcels);

		if (parcel_send(l->fd, p) < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == ENOBUFS)
				event_add(&l->writable, NULL);
			return; /* else it is dead, which will be seen */
		}
		parcel_drop(l);
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct launcher *l = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(l, LAUNCHER_MAGIC);
	send_parcels(l);
}

static struct launched *
find_lost(struct launcher *l)
{
	struct launched *j;

	LIST_FOREACH (j, &l->jobs, link)
		if (j->lost)
			return j;
	return NULL;
}

static struct launched *
find_job(struct launcher *l, uint32_t id)
{
	struct launched *j;

	LIST_FOREACH (j, &l->jobs, link)
		if (j->id == id)
			return j;
	return NULL;
}

static void
describe_exit(int status, char *words, size_t size)
{
	const char *name;

	if (!WIFSIGNALED(status)) {
		snprintf(
		    words, size, "exited with status %d", WEXITSTATUS(status));
		return;
	}
	name = sigabbrev_np(WTERMSIG(status));
	snprintf(words, size, "killed by signal %d%s%s%s", WTERMSIG(status),
	    name != NULL ? " (SIG" : "", name != NULL ? name : "",
	    name != NULL ? ")" : "");
}

static void
take_report(struct launcher *l, const struct guard_report *r)
{
	struct launched *j = find_job(l, r->id);
	char why[256];

	if (j == NULL)
		return;
	switch (r->word) {
	case GUARD_STARTED:
		tell(l, j, LAUNCHER_STARTED, r->a, NULL);
		break;
	case GUARD_FAILED:
		CHECK(r->a >= 0 && r->a < GUARD_STEPS);
		snprintf(why, sizeof why, "%s: %s", step_words[r->a],
		    strerror(r->b));
		tell(l, j, LAUNCHER_FAILED, 0, why);
		break;
	case GUARD_EXITED:
		describe_exit(r->a, why, sizeof why);
		tell(l, j, LAUNCHER_EXITED, 0, why);
		break;
	case GUARD_GONE:
		tell(l, j, LAUNCHER_GONE, 0, NULL);
		break;
	}
}

static void
clean_in(struct launcher *l, unsigned ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (evtimer_add(&l->clean, &tv) < 0)
		log_error("launch: no memory for a timer");
}

static void
guard_lost(struct launcher *l)
{
	struct launched *j, *next;

	log_error("launch: process %d, the guard of the pods, has ended",
	    (int)l->pid);
	l->state = GUARD_CLEANING;
	event_del(&l->readable);
	event_del(&l->writable);
	close(l->fd);
	l->fd = -1;
	/* Orders on their way are about the same jobs. */
	while (!STAILQ_EMPTY(&l->parcels))
		parcel_drop(l);
	LIST_FOREACH (j, &l->jobs, link)
		j->lost = true;
	for (j = LIST_FIRST(&l->jobs); j != NULL; j = next) {
		next = LIST_NEXT(j, link);
		if (j->lost)
			tell(l, j, LAUNCHER_EXITED, 0,
			    "killed: the guard has ended");
	}
	clean_in(l, 0);
}

/* None of the jobs will ever run. */
static void
refuse_all(struct launcher *l)
{
	struct launched *j, *next;

	l->state = GUARD_NONE;
	while (!STAILQ_EMPTY(&l->parcels))
		parcel_drop(l);
	LIST_FOREACH (j, &l->jobs, link)
		j->lost = true;
	for (j = LIST_FIRST(&l->jobs); j != NULL; j = next) {
		next = LIST_NEXT(j, link);
		if (!j->lost)
			continue;
		tell(l, j, LAUNCHER_FAILED, 0,
		    "the guard of the pods cannot be started");
	}
	while ((j = find_lost(l)) != NULL)
		tell(l, j, LAUNCHER_GONE, 0, NULL);
}

/*
 * All children are the dead guard's: itself, its keepers and theirs. Keepers
 * that are killed take their pods with them.
 */
static void
on_clean(evutil_socket_t fd, short what, void *arg)
{
	struct launcher *l = arg;
	struct launched *j;
	pid_t pid;

	(void)fd;
	(void)what;
	CHECK_OBJ(l, LAUNCHER_MAGIC);
	if (l->state == GUARD_REFUSED) {
		refuse_all(l);
		return;
	}
	if (l->state == GUARD_CLEANING) {
		children_kill(NULL, NULL);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			continue;
		if (pid == 0) {
			clean_in(l, CLEAN_MS);
			return;
		}
		l->state = GUARD_NONE;
		while ((j = find_lost(l)) != NULL)
			tell(l, j, LAUNCHER_GONE, 0, NULL);
	}
	guard_ensure(l);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct launcher *l = arg;
	struct guard_report r;
	ssize_t n;

	(void)what;
	CHECK_OBJ(l, LAUNCHER_MAGIC);
	while (l->state == GUARD_RUNS) {
		n = recv(fd, &r, sizeof r, MSG_DONTWAIT);
		if (n == (ssize_t)sizeof r)
			take_report(l, &r);
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && errno == EAGAIN)
			return;
		else
			guard_lost(l);
	}
}

/* The guard, or what it has left to us. */
static void
on_child(evutil_socket_t fd, short what, void *arg)
{
	struct launcher *l = arg;

	(void)fd;
	(void)what;
	CHECK_OBJ(l, LAUNCHER_MAGIC);
	if (l->state == GUARD_CLEANING)
		clean_in(l, 0);
}

/* This program once more, as the guard, with its end of the socket. */
static int
spawn_guard(pid_t *pid, int end)
{
	char name[] = "shunt", word[] = GUARD_WORD;
	char *argv[] = {name, word, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all;
	int rc;

	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &all);
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	/* also where it is that one already: it must not be closed on exec */
	rc = posix_spawn_file_actions_adddup2(&files, end, GUARD_FD);
	if (rc == 0)
		rc = posix_spawn(pid, SELF, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

static int
guard_begin(struct launcher *l)
{
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return errno;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	rc = spawn_guard(&l->pid, ends[1]);
	close(ends[1]);
	if (rc != 0) {
		close(ends[0]);
		return rc;
	}
	l->fd = ends[0];
	l->state = GUARD_RUNS;
	event_assign(
	    &l->readable, l->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	event_assign(&l->writable, l->base, l->fd, EV_WRITE, on_writable, l);
	if (event_add(&l->readable, NULL) < 0)
		log_error("launch: no memory to hear of processes");
	log_info("launch: process %d guards the pods", (int)l->pid);
	return 0;
}

/* Once there is something for it to do. */
static void
guard_ensure(struct launcher *l)
{
	int rc;

	if (l->state == GUARD_NONE && !STAILQ_EMPTY(&l->parcels)) {
		rc = guard_begin(l);
		if (rc != 0) {
			log_error("launch: the guard cannot be started: %s",
			    strerror(rc));
			l->state = GUARD_REFUSED;
			clean_in(l, 0);
			return;
		}
	}
	send_parcels(l);
}

static struct launcher *
guard_open(struct event_base *base, launcher_told *told)
{
	struct launcher *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->magic = LAUNCHER_MAGIC;
	l->base = base;
	l->told = told;
	l->fd = -1;
	LIST_INIT(&l->jobs);
	STAILQ_INIT(&l->parcels);
	evtimer_assign(&l->clean, base, on_clean, l);
	l->on_child = evsignal_new(base, SIGCHLD, on_child, l);
	if (l->on_child == NULL || event_add(l->on_child, NULL) < 0) {
		if (l->on_child != NULL)
			event_free(l->on_child);
		free(l);
		return NULL;
	}
	return l;
}

static size_t
put_text(char *to, size_t at, const char *text)
{
	size_t n = strlen(text) + 1;

	if (to != NULL)
		memcpy(to + at, text, n);
	return at + n;
}

/* The texts behind a start, or, without `to`, only where they end. */
static size_t
put_texts(char *to, const struct launch_job *job, struct guard_start *s)
{
	size_t at = sizeof *s;

	s->argc = s->envc = 0;
	at = put_text(to, at, job->spec->directory);
	at = put_text(to, at, job->socket != NULL ? job->socket : "");
	for (; job->argv[s->argc] != NULL; s->argc++)
		at = put_text(to, at, job->argv[s->argc]);
	for (; job->env[s->envc] != NULL; s->envc++)
		at = put_text(to, at, job->env[s->envc]);
	return at;
}

static struct parcel *
pack_start(const struct launch_job *job, uint32_t id)
{
	const struct launch_spec *spec = job->spec;
	struct guard_start s = {
	    .order = {GUARD_START, id},
	    .grace_ms = spec->grace_ms,
	    .with_user = spec->user != NULL,
	    .with_group = spec->group != NULL,
	    .uid = spec->uid,
	    .gid = spec->gid,
	    .memory = spec->memory,
	    .files = spec->files,
	    .processes = spec->processes,
	};
	size_t size = put_texts(NULL, job, &s);
	struct parcel *p;

	if (size > GUARD_PACKET_MAX) {
		errno = E2BIG;
		return NULL;
	}
	p = parcel_new(size);
	if (p == NULL)
		return NULL;
	s.ngroups = (uint32_t)spec->ngroups;
	if (s.ngroups > GUARD_GROUPS_MAX)
		s.ngroups = GUARD_GROUPS_MAX;
	if (s.ngroups > 0)
		memcpy(s.groups, spec->groups, s.ngroups * sizeof *s.groups);
	put_texts(p->packet.bytes, job, &s);
	p->packet.start = s;
	return p;
}

static struct launched *
guard_start_job(struct launcher *l, const struct launch_job *job, void *arg)
{
	struct launched *j = calloc(1, sizeof *j);
	struct parcel *p = NULL;

	CHECK_OBJ(l, LAUNCHER_MAGIC);
	if (j != NULL)
		p = pack_start(job, l->last_id + 1);
	if (p == NULL) {
		free(j);
		close(job->output);
		return NULL;
	}
	j->id = ++l->last_id;
	j->arg = arg;
	LIST_INSERT_HEAD(&l->jobs, j, link);
	p->right = job->output;
	STAILQ_INSERT_TAIL(&l->parcels, p, link);
	guard_ensure(l);
	return j;
}

static void
order(struct launcher *l, const struct launched *j, enum guard_verb verb)
{
	struct parcel *p;

	CHECK_OBJ(l, LAUNCHER_MAGIC);
	if (j->lost)
		return; /* it is being killed anyway */
	p = parcel_new(sizeof(struct guard_order));
	if (p == NULL) {
		log_error("launch: no memory to end a process");
		return;
	}
	p->packet.order = (struct guard_order){verb, j->id};
	STAILQ_INSERT_TAIL(&l->parcels, p, link);
	guard_ensure(l);
}

static void
guard_stop_job(struct launcher *l, struct launched *j)
{
	order(l, j, GUARD_STOP);
}

static void
guard_kill_job(struct launcher *l, struct launched *j)
{
	order(l, j, GUARD_KILL);
}

/* The guard ends by itself when its socket is closed. */
static void
guard_close(struct launcher *l)
{
	struct launched *j;

	CHECK_OBJ(l, LAUNCHER_MAGIC);
	while (!STAILQ_EMPTY(&l->parcels))
		parcel_drop(l);
	if (l->state == GUARD_RUNS)
		LIST_FOREACH (j, &l->jobs, link)
			order(l, j, GUARD_KILL);
	while ((j = LIST_FIRST(&l->jobs)) != NULL) {
		LIST_REMOVE(j, link);
		free(j);
	}
	while (!STAILQ_EMPTY(&l->parcels))
		parcel_drop(l);
	if (l->state == GUARD_RUNS) {
		event_del(&l->readable);
		event_del(&l->writable);
		close(l->fd);
	}
	event_del(&l->clean);
	event_free(l->on_child);
	l->magic = 0;
	free(l);
}

const struct launcher_ops launcher_guard = {
    .name = "guard",
    .open = guard_open,
    .close = guard_close,
    .start = guard_start_job,
    .stop = guard_stop_job,
    .kill = guard_kill_job,
};
