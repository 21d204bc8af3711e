/* The guard: forks a keeper per pod, hands orders down and reports up. */
#include "control/guard_main.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/children.h"
#include "control/guard_wire.h"
#include "control/keeper.h"

/* How often to look for strays and for grace times that are over. */
#define AGAIN_MS 20
/* Under which name it is listed: `killall shunt` shall not mean it, too. */
#define GUARD_NAME "pod-guard"

struct job {
	uint32_t id;
	pid_t keeper;
	uint32_t grace_ms;
	char *socket; /* NULL = none */
};

struct guard {
	pid_t self;
	int signals;	/* of children */
	int reports[2]; /* from the keepers; read end first */
	struct job *jobs;
	size_t njobs, room;
};

/* A start, taken apart; the texts are the packet's. */
struct order {
	const struct guard_start *start;
	const char *directory, *socket;
	char **argv, **env; /* one array, the caller's: argv */
};

/* False when nobody is there to hear it. */
static bool
send_report(const struct guard_report *r)
{
	return send(GUARD_FD, r, sizeof *r, MSG_NOSIGNAL) == (ssize_t)sizeof *r;
}

static bool
is_keeper(void *arg, pid_t pid)
{
	const struct guard *g = arg;

	for (size_t i = 0; i < g->njobs; i++)
		if (g->jobs[i].keeper == pid)
			return true;
	return false;
}

/* The next text of a packet; NULL when it has none. */
static char *
next_text(char **at, const char *end)
{
	char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

	if (nul == NULL)
		return NULL;
	*at = nul + 1;
	return text;
}

static bool
take_apart(char *packet, size_t n, struct order *o)
{
	const struct guard_start *s = (const struct guard_start *)packet;
	char *at = packet + sizeof *s, *end = packet + n;
	size_t texts;

	*o = (struct order){.start = s};
	if (n < sizeof *s || s->argc == 0 || s->argc > n || s->envc > n ||
	    s->ngroups > GUARD_GROUPS_MAX)
		return false;
	texts = (size_t)s->argc + s->envc + 2;
	o->argv = calloc(texts, sizeof(char *));
	o->directory = next_text(&at, end);
	o->socket = o->directory != NULL ? next_text(&at, end) : NULL;
	if (o->argv == NULL || o->socket == NULL)
		goto fail;
	o->env = o->argv + s->argc + 1;
	for (size_t i = 0; i < (size_t)s->argc + s->envc; i++) {
		char **to = i < s->argc ? &o->argv[i] : &o->env[i - s->argc];

		*to = next_text(&at, end);
		if (*to == NULL)
			goto fail;
	}
	return true;
fail:
	free(o->argv);
	return false;
}

static struct job *
job_add(struct guard *g)
{
	struct job *jobs;

	if (g->njobs == g->room) {
		g->room = g->room == 0 ? 16 : 2 * g->room;
		jobs = reallocarray(g->jobs, g->room, sizeof *jobs);
		if (jobs == NULL) {
			g->room = g->njobs;
			return NULL;
		}
		g->jobs = jobs;
	}
	g->jobs[g->njobs] = (struct job){0};
	return &g->jobs[g->njobs++];
}

/* What runs in the keeper's process. */
_Noreturn static void
keep(const struct guard *g, const struct order *o, int output)
{
	close(GUARD_FD);
	close(g->signals);
	close(g->reports[0]);
	keeper_run(&(struct keeper){
	    .start = o->start,
	    .directory = o->directory,
	    .argv = o->argv,
	    .env = o->env,
	    .output = output,
	    .reports = g->reports[1],
	    .guard = g->self,
	});
	_exit(0);
}

static void
start(struct guard *g, const struct order *o, int output)
{
	struct job *j = job_add(g);
	int error = ENOMEM;

	if (j != NULL) {
		j->id = o->start->order.id;
		j->grace_ms = o->start->grace_ms;
		if (o->socket[0] != '\0')
			j->socket = strdup(o->socket);
		j->keeper = fork();
		if (j->keeper == 0)
			keep(g, o, output);
		if (j->keeper > 0)
			return;
		error = errno;
		free(j->socket);
		g->njobs--;
	}
	send_report(&(struct guard_report){.word = GUARD_FAILED,
	    .id = o->start->order.id,
	    .a = GUARD_STEP_FORK,
	    .b = error});
	send_report(&(struct guard_report){
	    .word = GUARD_GONE, .id = o->start->order.id});
}

static void
pass_on(const struct guard *g, uint32_t id, int sig)
{
	for (size_t i = 0; i < g->njobs; i++)
		if (g->jobs[i].id == id)
			kill(g->jobs[i].keeper, sig);
}

/* The descriptor that came with a packet, or -1. */
static int
take_right(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* False when main is gone. */
static bool
take_order(struct guard *g)
{
	static union {
		char bytes[GUARD_PACKET_MAX];
		struct guard_start start;
	} packet;
	char rights[CMSG_SPACE(sizeof(int))];
	struct iovec v = {packet.bytes, sizeof packet.bytes};
	struct msghdr m = {.msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = rights,
	    .msg_controllen = sizeof rights};
	ssize_t n = recvmsg(GUARD_FD, &m, MSG_CMSG_CLOEXEC);
	struct order o;
	int output;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n < (ssize_t)sizeof packet.start.order)
		return false;
	output = take_right(&m);
	switch (packet.start.order.verb) {
	case GUARD_START:
		if (take_apart(packet.bytes, (size_t)n, &o)) {
			start(g, &o, output);
			free(o.argv);
		}
		break;
	case GUARD_STOP:
		pass_on(g, packet.start.order.id, KEEPER_STOP);
		break;
	case GUARD_KILL:
		pass_on(g, packet.start.order.id, KEEPER_KILL);
		break;
	}
	if (output >= 0)
		close(output);
	return true;
}

/* All that keepers have written so far, upwards. */
static void
hand_up(const struct guard *g)
{
	struct guard_report r;

	while (read(g->reports[0], &r, sizeof r) == (ssize_t)sizeof r)
		send_report(&r);
}

/* Orphans of a keeper that was killed; whoever dies is reaped by bury(). */
static void
kill_strays(struct guard *g)
{
	while (children_kill(is_keeper, g) > 0)
		poll(NULL, 0, 1);
}

static void
remove_socket(const struct job *j, bool folder)
{
	if (j->socket == NULL)
		return;
	unlink(j->socket);
	if (folder)
		rmdir(dirname(j->socket));
}

/* Keepers that have ended, all reports of theirs handed up before. */
static void
bury(struct guard *g, bool alone)
{
	struct signalfd_siginfo ignored;
	int status;
	pid_t pid;

	while (read(g->signals, &ignored, sizeof ignored) > 0)
		continue;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < g->njobs; i++) {
			struct job *j = &g->jobs[i], over = *j;

			if (j->keeper != pid)
				continue;
			*j = g->jobs[--g->njobs];
			if (WIFSIGNALED(status))
				kill_strays(g);
			remove_socket(&over, alone);
			free(over.socket);
			hand_up(g);
			send_report(&(struct guard_report){
			    .word = GUARD_GONE, .id = over.id});
			break;
		}
	}
}

/* Main is gone: everything ends, in the time that it has. */
static void
finish(struct guard *g)
{
	const uint64_t begun = clock_now_us();

	for (size_t i = 0; i < g->njobs; i++)
		kill(g->jobs[i].keeper, KEEPER_STOP);
	while (g->njobs > 0) {
		struct pollfd p = {.fd = g->signals, .events = POLLIN};

		poll(&p, 1, AGAIN_MS);
		bury(g, true);
		for (size_t i = 0; i < g->njobs; i++)
			if (clock_now_us() - begun >=
			    g->jobs[i].grace_ms * 1000ull)
				kill(g->jobs[i].keeper, KEEPER_KILL);
	}
	kill_strays(g);
}

/* Nothing is open but what it works with. */
static int
guard_open(struct guard *g)
{
	sigset_t all, child;
	int null;

	closefrom(GUARD_FD + 1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		return -1;
	close(null);
	sigfillset(&all);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 ||
	    fcntl(GUARD_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    pipe2(g->reports, O_CLOEXEC) < 0 ||
	    fcntl(g->reports[0], F_SETFL, O_NONBLOCK) < 0)
		return -1;
	g->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	prctl(PR_SET_NAME, GUARD_NAME);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	g->self = getpid();
	return g->signals < 0 ? -1 : 0;
}

int
guard_main(void)
{
	struct guard g = {0};
	int kind = 0;
	socklen_t size = sizeof kind;

	if (getsockopt(GUARD_FD, SOL_SOCKET, SO_TYPE, &kind, &size) < 0 ||
	    kind != SOCK_SEQPACKET || guard_open(&g) < 0) {
		fprintf(stderr, "shunt: " GUARD_WORD
				" is what shunt itself runs, for `launch`\n");
		return 2;
	}
	for (;;) {
		struct pollfd p[] = {
		    {.fd = GUARD_FD, .events = POLLIN},
		    {.fd = g.reports[0], .events = POLLIN},
		    {.fd = g.signals, .events = POLLIN},
		};

		if (poll(p, 3, -1) < 0)
			continue;
		if (p[1].revents != 0)
			hand_up(&g);
		if (p[2].revents != 0)
			bury(&g, false);
		if (p[0].revents != 0 && !take_order(&g))
			break;
	}
	finish(&g);
	free(g.jobs);
	return 0;
}
