/* One pod's process and all that come from it, until none is left. */
#include "control/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/children.h"
#include "control/guard_wire.h"

/* How soon to look again while there is something to be killed. */
#define AGAIN_MS 20

static void
report(const struct keeper *k, enum guard_word word, int a, int b)
{
	struct guard_report r = {
	    .word = word, .id = k->start->order.id, .a = a, .b = b};
	ssize_t ignored = write(k->reports, &r, sizeof r);

	(void)ignored; /* without a guard nobody wants to know */
}

/* The rest is what runs in the pod's process, before it is the pod's. */

static int
limit(int resource, uint64_t most)
{
	struct rlimit l = {.rlim_cur = most, .rlim_max = most};

	return most == 0 ? 0 : setrlimit((__rlimit_resource_t)resource, &l);
}

static int
set_limits(const struct guard_start *s)
{
	if (limit(RLIMIT_NOFILE, s->files) < 0 ||
	    limit(RLIMIT_NPROC, s->processes) < 0)
		return -1;
	return limit(RLIMIT_AS, s->memory);
}

/* Who is that user already need not be allowed to become him. */
static int
become(const struct guard_start *s)
{
	bool root = geteuid() == 0;

	if (s->with_user && root && setgroups(s->ngroups, s->groups) < 0)
		return -1;
	if (s->with_group && !s->with_user && root && setgroups(1, &s->gid) < 0)
		return -1;
	if ((s->with_user || s->with_group) && getegid() != s->gid &&
	    setresgid(s->gid, s->gid, s->gid) < 0)
		return -1;
	if (s->with_user && geteuid() != s->uid)
		return setresuid(s->uid, s->uid, s->uid);
	return 0;
}

/* Nothing of ours but what it is meant to have. */
static void
make_clean(const struct keeper *k)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	for (int n = 1; n < NSIG; n++)
		sigaction(n, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(k->output, STDOUT_FILENO);
	dup2(k->output, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

/* Only returns when it failed, with the step at which it did. */
static enum guard_step
become_pod(const struct keeper *k, pid_t keeper)
{
	const struct guard_start *s = k->start;

	make_clean(k);
	/* while the user may still raise them */
	if (set_limits(s) < 0)
		return GUARD_STEP_LIMITS;
	if (become(s) < 0)
		return GUARD_STEP_USER;
	/* after that, as another user begins without */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
		_exit(0);
	if (chdir(k->directory) < 0)
		return GUARD_STEP_DIRECTORY;
	for (char **e = k->env; *e != NULL; e++)
		if (putenv(*e) != 0)
			return GUARD_STEP_COMMAND;
	execvp(k->argv[0], k->argv);
	return GUARD_STEP_COMMAND;
}

/* The pod's process, or -1. */
static pid_t
begin(const struct keeper *k)
{
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		enum guard_step step = become_pod(k, self);

		report(k, GUARD_FAILED, step, errno);
		_exit(127);
	}
	if (pid < 0)
		report(k, GUARD_FAILED, GUARD_STEP_FORK, errno);
	else
		report(k, GUARD_STARTED, pid, 0);
	return pid;
}

/* Whether anybody is left; *status is that of `pid` once it has ended. */
static bool
reap(pid_t pid, bool *ended, int *status)
{
	pid_t who;
	int how;

	while ((who = waitpid(-1, &how, WNOHANG)) > 0) {
		if (who != pid)
			continue;
		*ended = true;
		*status = how;
	}
	return who == 0;
}

/* The next signal that is for us; 0 when there was none in time. */
static int
next_signal(bool soon)
{
	const struct timespec again = {.tv_nsec = AGAIN_MS * 1000000l};
	sigset_t set;
	int n;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, KEEPER_STOP);
	sigaddset(&set, KEEPER_KILL);
	n = sigtimedwait(&set, NULL, soon ? &again : NULL);
	return n > 0 ? n : 0;
}

/* The pod's process and its group, and whoever has left that. */
static void
ask_to_end(pid_t pid, bool ended)
{
	/* it may not have its own group yet */
	if (!ended && kill(-pid, SIGTERM) < 0)
		kill(pid, SIGTERM);
	children_ask_to_end(pid);
}

void
keeper_run(const struct keeper *k)
{
	bool ended = false, told = false, stopping = false, killing = false;
	int status = 0;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, KEEPER_KILL);
	if (getppid() != k->guard)
		return;
	pid = begin(k);
	close(k->output);
	while (pid > 0 && reap(pid, &ended, &status)) {
		int n;

		if (ended && !told)
			report(k, GUARD_EXITED, status, 0);
		told = ended;
		/* Of a pod that ended by itself nothing is to go on. */
		killing |= ended && !stopping;
		if (killing)
			children_kill(NULL, NULL);
		n = next_signal(killing);
		stopping |= n == KEEPER_STOP;
		killing |= n == KEEPER_KILL;
		if (n == KEEPER_STOP)
			ask_to_end(pid, ended);
	}
	if (ended && !told)
		report(k, GUARD_EXITED, status, 0);
}
