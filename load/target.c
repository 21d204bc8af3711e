/* Reading URLs. */
#include "load/target.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/opt.h"
#include "base/span.h"

#define PROBE_MS 1000

static bool
wrong(const char *url, const char *what, char *why, size_t why_size)
{
	char quoted[OPT_QUOTE_MAX];

	opt_quote(span_of(url), quoted, sizeof quoted);
	snprintf(why, why_size,
	    "expected a URL as http://HOST[:PORT]/PATH, found %s%s", quoted,
	    what);
	return false;
}

static bool
read_scheme(struct target *t, struct span *rest)
{
	static const struct span http = SPAN("http://"),
				 https = SPAN("https://");

	t->tls = rest->n > https.n &&
		 span_eq_nocase((struct span){rest->p, https.n}, https);
	if (t->tls) {
		rest->p += https.n;
		rest->n -= https.n;
		return true;
	}
	if (rest->n <= http.n ||
	    !span_eq_nocase((struct span){rest->p, http.n}, http))
		return false;
	rest->p += http.n;
	rest->n -= http.n;
	return true;
}

/* "host", "host:80", "[::1]:80"; port is 0 without. */
static bool
read_authority(struct target *t, struct span text, uint64_t *port)
{
	struct span host = text, digits = SPAN_NONE;
	const char *end;

	if (text.n == 0 || text.n > TARGET_HOST_MAX ||
	    memchr(text.p, '@', text.n) != NULL)
		return false;
	if (text.p[0] == '[') {
		end = memchr(text.p, ']', text.n);
		if (end == NULL)
			return false;
		host = (struct span){text.p + 1, (size_t)(end - text.p) - 1};
		digits = (struct span){end + 1, text.n - host.n - 2};
		if (digits.n > 0 && *digits.p++ != ':')
			return false;
		digits.n -= digits.n > 0;
	} else {
		digits = text;
		host = span_cut(&digits, ':');
	}
	*port = 0;
	if (digits.n > 0 &&
	    (!span_to_u64(digits, port) || *port < 1 || *port > 65535))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] >= 0x7f)
			return false;
	span_put(t->host, host);
	t->host[host.n] = '\0';
	span_put(t->authority, text);
	t->authority[text.n] = '\0';
	return host.n > 0;
}

/* A fragment stays with the client (RFC 9110 7.1). */
static bool
read_path(struct target *t, struct span path)
{
	const char *fragment = path.n > 0 ? memchr(path.p, '#', path.n) : NULL;

	if (fragment != NULL)
		path.n = (size_t)(fragment - path.p);
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] <= ' ' || path.p[i] == 0x7f)
			return false;
	if (path.n == 0 || path.p[0] == '?') {
		if (asprintf(&t->path, "/%.*s", SPAN_ARG(path)) < 0)
			t->path = NULL;
	} else {
		t->path = strndup(path.p, path.n);
	}
	return t->path != NULL;
}

static void
take(struct target *t, const struct addrinfo *from)
{
	memcpy(&t->address.sa, from->ai_addr, from->ai_addrlen);
	t->address.len = from->ai_addrlen;
}

/* Whether something listens there; waits at most PROBE_MS. */
static bool
answers(const struct addrinfo *a)
{
	int fd =
	    socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t n = sizeof(int);
	int error = 0;
	bool good;

	if (fd < 0)
		return false;
	good = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
	       (errno == EINPROGRESS && poll(&wait, 1, PROBE_MS) == 1 &&
		   getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 &&
		   error == 0);
	close(fd);
	return good;
}

void
target_choose(struct target *t, const struct addrinfo *found)
{
	take(t, found);
	if (found->ai_next == NULL)
		return;
	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
		if (answers(a)) {
			take(t, a);
			return;
		}
}

static bool
look_up(struct target *t, uint64_t port, char *why, size_t why_size)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[8];
	int error;

	snprintf(service, sizeof service, "%u", (unsigned)port);
	error = getaddrinfo(t->host, service, &hints, &found);
	if (error != 0) {
		snprintf(why, why_size, "cannot find the host %s: %s", t->host,
		    gai_strerror(error));
		return false;
	}
	target_choose(t, found);
	freeaddrinfo(found);
	return true;
}

bool
target_read(struct target *t, const char *url, const char *connect, char *why,
    size_t why_size)
{
	struct span rest = span_of(url), authority;
	char quoted[OPT_QUOTE_MAX];
	uint64_t port;
	size_t end;

	memset(t, 0, sizeof *t);
	if (!read_scheme(t, &rest))
		return wrong(url, "", why, why_size);
	end = strcspn(rest.p, "/?#");
	authority = (struct span){rest.p, end};
	if (!read_authority(t, authority, &port))
		return wrong(url, ", whose host is not one", why, why_size);
	rest.p += end;
	rest.n -= end;
	if (!read_path(t, rest))
		return wrong(url, ", whose path is not one", why, why_size);
	if (port == 0)
		port = t->tls ? 443 : 80;
	if (connect == NULL)
		return look_up(t, port, why, why_size);
	if (address_parse(span_of(connect), &t->address))
		return true;
	opt_quote(span_of(connect), quoted, sizeof quoted);
	snprintf(why, why_size,
	    "--connect: expected IP:PORT or unix:PATH, found %s", quoted);
	return false;
}

void
target_free(struct target *t)
{
	free(t->path);
	t->path = NULL;
}
