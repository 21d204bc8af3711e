/* The option tables and readers of everything that is not a service. */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "conf/settings.h"
#include "conf/tables.h"

#define HOUR 3600000u
/* clang-format off */
#define DURATION(field, shortest, longest)                           \
	.read = option_read_value, .kind = OPT_DURATION,             \
	.min = (shortest), .max = (longest),                         \
	OPTION_FIELD(struct timeouts, field)
#define LIMIT(field, unit, least, most)                              \
	.read = option_read_value, .kind = (unit),                   \
	.min = (least), .max = (most),                               \
	OPTION_FIELD(struct limits, field)
#define HTTP2_LIMIT(field, least, most)                              \
	.read = option_read_value, .kind = OPT_COUNT,                \
	.min = (least), .max = (most),                               \
	OPTION_FIELD(struct http2_limits, field)
/* clang-format on */

static option_reader read_socket_path, read_trusted, read_log_path;

static const char *const x_forwarded_words[] = {
    [X_FORWARDED_APPEND] = "append",
    [X_FORWARDED_REPLACE] = "replace",
    [X_FORWARDED_OFF] = "off",
    NULL,
};

static const char *const log_format_words[] = {
    [LOG_FORMAT_JSON] = "json",
    [LOG_FORMAT_COMBINED] = "combined",
    NULL,
};

const struct option listener_options[] = {
    {
	.key = "address",
	.read = read_address,
	.type = "an address such as 127.0.0.1:8080 or [::1]:8080",
	.help = "Numeric IP address and port on which clients connect.",
	.required = true,
	OPTION_FIELD(struct listen_settings, address),
    },
    {
	.key = "proxy_protocol",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether each connection begins with a header of the PROXY "
		"protocol, version 1 or 2, and is closed without one.",
	OPTION_FIELD(struct listen_settings, proxy_protocol),
    },
    {
	.key = "http2",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "true",
	.help = "Whether HTTP/2 is spoken with clients that ask for it: by "
		"ALPN, or in clear text by prior knowledge.",
	OPTION_FIELD(struct listen_settings, http2),
    },
    {
	.key = "redirect",
	.read = read_redirect,
	.type = "https, or https: and a port such as https:8443",
	.absent = "no redirect",
	.help = "Every request is answered with a redirect to https, on port "
		"443 unless another is named.",
	OPTION_FIELD(struct listen_settings, redirect_port),
    },
    {
	.key = "hsts",
	.read = read_hsts,
	.type = "a duration such as 365d, or a map with the keys max_age, "
		"include_subdomains, preload",
	.absent = "not sent",
	.help = "Strict-Transport-Security: for how long browsers come with "
		"https only; with tls only.",
	.shape = OPTION_MAP,
	.sub = hsts_options,
	.apart = true,
	OPTION_FIELD(struct listen_settings, hsts),
    },
    {
	.key = "tls",
	.read = read_tls,
	.type = "a map with certificate and key, or a list of such maps",
	.absent = "clear text",
	.help = "Connections are secured: the certificates that clients are "
		"shown, and how.",
	.shape = OPTION_MAP,
	.sub = tls_options,
	.items = certificate_options,
	.apart = true,
	OPTION_FIELD(struct listen_settings, tls),
    },
    {.key = NULL},
};

const struct option admin_options[] = {
    {
	.key = "socket",
	.read = read_socket_path,
	.type = "a path",
	.absent = "no socket",
	.help = "Unix socket of the admin API, made with mode 0600.",
	OPTION_FIELD(struct settings, admin_socket),
    },
    {
	.key = "address",
	.read = read_address,
	.type = "an address such as 127.0.0.1:9900 or [::1]:9900",
	.absent = "no TCP address",
	.help = "Numeric IP address and port of the same API and of /metrics.",
	OPTION_FIELD(struct settings, admin),
    },
    {.key = NULL},
};

const struct option log_options[] = {
    {
	.key = "path",
	.read = read_log_path,
	.type = "a path, or \"-\" for the standard output",
	.help = "File that gets a line for each request; - is the standard "
		"output.",
	.required = true,
	OPTION_FIELD(struct access_log_settings, path),
    },
    {
	.key = "format",
	.read = option_read_word,
	.words = log_format_words,
	.fallback = "json",
	.help = "How a line is written.",
	OPTION_FIELD(struct access_log_settings, format),
    },
    {.key = NULL},
};

const struct option timeout_options[] = {
    {
	.key = "header",
	DURATION(header, 1, 24 * HOUR),
	.fallback = "10s",
	.help = "First byte of a request to the end of its head.",
    },
    {
	.key = "body",
	DURATION(body, 1, 24 * HOUR),
	.fallback = "30s",
	.help = "Longest pause between two reads of a body.",
    },
    {
	.key = "idle",
	DURATION(idle, 1, 24 * HOUR),
	.fallback = "75s",
	.help = "How long a client connection may stay without a request.",
    },
    {
	.key = "connect",
	DURATION(connect, 1, 24 * HOUR),
	.fallback = "2s",
	.help = "How long a pod may take to accept a connection.",
    },
    {
	.key = "response",
	DURATION(response, 1, 24 * HOUR),
	.fallback = "30s",
	.help = "End of the request to the head of the pod's response.",
    },
    {
	.key = "tunnel",
	DURATION(tunnel, 1, 720 * HOUR),
	.fallback = "1h",
	.help = "Longest silence of a tunnel, such as a WebSocket.",
    },
    {
	.key = "drain",
	DURATION(drain, 0, 24 * HOUR),
	.fallback = "30s",
	.help = "When stopping, how long requests in flight may take.",
    },
    {.key = NULL},
};

static const struct option http2_options[] = {
    {
	.key = "streams",
	HTTP2_LIMIT(streams, 1, 1000),
	.fallback = "128",
	.help = "Requests at one time.",
    },
    {
	.key = "continuations",
	HTTP2_LIMIT(continuations, 1, 1000),
	.fallback = "16",
	.help = "CONTINUATION frames of one head.",
    },
    {
	.key = "resets",
	HTTP2_LIMIT(resets, 1, 1000000),
	.fallback = "100",
	.help = "Requests that the client resets, in 10 seconds.",
    },
    {
	.key = "settings",
	HTTP2_LIMIT(settings, 1, 1000000),
	.fallback = "20",
	.help = "SETTINGS frames in 10 seconds.",
    },
    {
	.key = "pings",
	HTTP2_LIMIT(pings, 1, 1000000),
	.fallback = "100",
	.help = "PING frames in 10 seconds.",
    },
    {
	.key = "empty_frames",
	HTTP2_LIMIT(empty_frames, 1, 1000000),
	.fallback = "100",
	.help = "DATA and CONTINUATION frames that carry and end nothing, in "
		"10 seconds.",
    },
    {
	.key = "priorities",
	HTTP2_LIMIT(priorities, 1, 1000000),
	.fallback = "1000",
	.help = "PRIORITY and PRIORITY_UPDATE frames in 10 seconds.",
    },
    {
	.key = "window_updates",
	HTTP2_LIMIT(window_updates, 1, 1000),
	.fallback = "10",
	.help = "WINDOW_UPDATE frames for each DATA frame sent to the client, "
		"beyond the first 1000.",
    },
    {.key = NULL},
};

const struct option limit_options[] = {
    {
	.key = "connections",
	LIMIT(connections, OPT_COUNT, 1, 1000000),
	.fallback = "10000",
	.help = "Connections from clients at one time, over all workers.",
    },
    {
	.key = "connections_per_client",
	LIMIT(connections_per_client, OPT_COUNT, 0, 1000000),
	.fallback = "0",
	.help = "Of these from one address, an IPv6 /64 being one; 0 = any.",
    },
    {
	.key = "requests_per_connection",
	LIMIT(requests_per_connection, OPT_COUNT, 0, 1000000),
	.fallback = "0",
	.help = "Requests of a client connection before it is closed; 0 = any.",
    },
    {
	.key = "uri_bytes",
	LIMIT(uri_bytes, OPT_SIZE, 256, 64u << 10),
	.fallback = "8KiB",
	.help = "Size of the target of a request, as written in its first "
		"line.",
    },
    {
	.key = "header_bytes",
	LIMIT(header_bytes, OPT_SIZE, 1u << 10, 1u << 20),
	.fallback = "64KiB",
	.help = "Size of the head of a request or response.",
    },
    {
	.key = "header_count",
	LIMIT(header_count, OPT_COUNT, 1, 1000),
	.fallback = "128",
	.help = "Fields in the head of a request or response.",
    },
    {
	.key = "body_bytes",
	LIMIT(body_bytes, OPT_SIZE, 0, UINT64_MAX),
	.fallback = "0",
	.help = "Size of a request body; 0 = any.",
    },
    {
	.key = "http2",
	.read = option_read_map,
	.absent = "the defaults below",
	.help = "What a client may do on one HTTP/2 connection.",
	.shape = OPTION_MAP,
	.sub = http2_options,
	OPTION_FIELD(struct limits, http2),
    },
    {.key = NULL},
};

const struct option forward_options[] = {
    {
	.key = "x_forwarded",
	.read = option_read_word,
	.words = x_forwarded_words,
	.fallback = "append",
	.help = "What happens to X-Forwarded-For, -Proto and -Host.",
	OPTION_FIELD(struct forward, x_forwarded),
    },
    {
	.key = "via",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "true",
	.help = "Whether the Via field names the proxy.",
	OPTION_FIELD(struct forward, via),
    },
    {
	.key = "version",
	.read = option_read_value,
	.kind = OPT_BOOL,
	.max = 1,
	.fallback = "false",
	.help = "Whether responses of pods name their version in "
		"X-Shunt-Version.",
	OPTION_FIELD(struct forward, version),
    },
    {
	.key = "trusted",
	.read = read_trusted,
	.type = "a list of addresses or blocks such as 10.0.0.0/8",
	.fallback = "[]",
	.help = "Clients whose own X-Forwarded-* fields are believed.",
    },
    {.key = NULL},
};

void
read_address(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const size_t head = sizeof ADDRESS_UNIX - 1;
	struct address *a = field;
	const char *text = option_text(e, o, value);
	char expected[OPT_DESCRIPTION_MAX];

	if (text == NULL)
		return;
	if (strncmp(text, ADDRESS_UNIX, head) == 0) {
		option_describe(o, expected, sizeof expected);
		errors_add(e, value->at,
		    "only pods can have the address of a Unix socket: expected "
		    "%s",
		    expected);
	} else if (!address_parse(span_of(text), a)) {
		memset(a, 0, sizeof *a);
		option_refuse(e, o, value);
	}
}

void
read_listeners(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	struct settings *s = field;
	const struct node *m;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	if (value->n == 0)
		errors_add(e, value->at, "expected at least one listener");
	s->listeners = read_alloc(e, value, sizeof *s->listeners);
	if (s->listeners == NULL)
		return;
	for (m = value->first; m != NULL; m = m->next) {
		struct listen_settings *l = &s->listeners[s->nlisteners++];

		option_defaults(e, o->sub, l);
		option_walk(e, o->sub, m, l);
		check_listener(e, m, l);
	}
}

void
read_workers(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	const char *text = option_text(e, o, value);
	uint64_t n = 0;

	if (text == NULL)
		return;
	if (strcmp(text, "auto") != 0 &&
	    (!opt_parse(OPT_COUNT, span_of(text), &n) || n < 1 || n > 256)) {
		option_refuse(e, o, value);
		return;
	}
	*(unsigned *)field = (unsigned)n;
}

static void
read_socket_path(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	const size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
	char **path = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (text[0] == '\0' || strlen(text) > most)
		errors_add(e, value->at,
		    "expected a path of 1 to %zu bytes, found %zu", most,
		    strlen(text));
	else
		*path = read_copy(e, text);
}

void
read_state_path(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **path = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (text[0] == '\0' || text[strlen(text) - 1] == '/')
		option_refuse(e, o, value);
	else
		*path = read_file_path(e, text);
}

static void
read_log_path(struct errors *e, const struct option *o,
    const struct node *value, void *field)
{
	char **path = field;
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return;
	if (text[0] == '\0')
		option_refuse(e, o, value);
	else
		*path = read_copy(e, text);
}

bool
read_block(struct errors *e, const struct node *value, struct cidr *block)
{
	const struct option o = {
	    .type = "an address or block such as 10.1.2.3, 10.0.0.0/8 or "
		    "fd00::/8, no bit set after its prefix",
	};
	const char *text = option_text(e, &o, value);

	if (text == NULL)
		return false;
	if (cidr_parse(text, block))
		return true;
	option_refuse(e, &o, value);
	return false;
}

static void
read_trusted(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct forward *f = field;

	if (!option_kind(e, o, value, NODE_LIST))
		return;
	f->trusted = read_alloc(e, value, sizeof *f->trusted);
	if (f->trusted == NULL)
		return;
	for (const struct node *m = value->first; m != NULL; m = m->next)
		read_block(e, m, &f->trusted[f->ntrusted++]);
}
