/* Asking the kernel for what there is, and for as much of it as it gives. */
#include "control/machine.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

unsigned
machine_cpus(void)
{
	cpu_set_t set;
	long online;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	/* More of them than the set has room for. */
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (unsigned)online : 1;
}

void
machine_raise_fd_limit(uint32_t connections)
{
	uint64_t wanted = (uint64_t)connections * 2;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur != limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			log_warn("cannot raise the limit of open files: %s",
			    strerror(errno));
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted)
		log_warn("only %llu open files are allowed, but "
			 "limits.connections: %u may need %llu",
		    (unsigned long long)limit.rlim_cur, connections,
		    (unsigned long long)wanted);
}
