/* Trying ports, making folders. */
#include "control/launch_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "router/launch_spec.h"

/* Bind alone is enough to know; `again`: what lingers there is no matter. */
static bool
can_bind(const struct address *a, bool again)
{
	int on = 1, fd;
	bool can;

	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true; /* the process will find out */
	if (again)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	can = bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0 ||
	      errno != EADDRINUSE;
	close(fd);
	return can;
}

bool
launch_port_free(const struct address *a)
{
	return can_bind(a, true);
}

bool
launch_port(const struct launch_spec *spec, uint32_t seed, uint32_t *next,
    launch_place_taken *taken, void *arg, struct address *found)
{
	uint32_t count = spec->port_last - spec->port_first + 1;

	if (*next < spec->port_first || *next > spec->port_last)
		*next = spec->port_first + seed % count;
	*found = spec->address;
	for (uint32_t i = 0; i < count; i++) {
		address_set_port(found, (uint16_t)*next);
		*next = *next < spec->port_last ? *next + 1 : spec->port_first;
		if (!taken(arg, found) && can_bind(found, false))
			return true;
	}
	return false;
}

char *
launch_folder(const struct launch_spec *spec)
{
	const char *tmp = getenv("TMPDIR");
	char *path;

	if (tmp == NULL || tmp[0] != '/')
		tmp = "/tmp";
	if (asprintf(&path, "%s/shunt-XXXXXX", tmp) < 0)
		return NULL;
	if (mkdtemp(path) == NULL) {
		free(path);
		return NULL;
	}
	if (geteuid() == 0 && spec->user != NULL &&
	    chown(path, spec->uid, spec->gid) < 0) {
		rmdir(path);
		free(path);
		return NULL;
	}
	return path;
}

bool
launch_socket(const char *folder, uint64_t number, struct address *made)
{
	char text[256];
	int n = snprintf(text, sizeof text, ADDRESS_UNIX "%s/%" PRIu64 ".sock",
	    folder, number);

	return n > 0 && (size_t)n < sizeof text &&
	       address_parse(span_of(text), made);
}
