/*
 * Everything in the config that is not a service: where to listen, limits,
 * timeouts. Plain data, immutable after conf_load(); all times in
 * milliseconds, all sizes in bytes.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cidr.h"

struct timeouts {
	uint32_t header;   /* first byte of a request to the end of its head */
	uint32_t body;	   /* between two reads of a body */
	uint32_t idle;	   /* client connection without a request */
	uint32_t connect;  /* to a pod */
	uint32_t response; /* request sent to the head of the response */
	uint32_t tunnel;   /* between two reads of a tunnel */
	uint32_t drain;	   /* stop: requests in flight may take this long */
};

/* Of one HTTP/2 connection; what is per window counts in 10 seconds. */
struct http2_limits {
	uint32_t streams;	/* open at a time */
	uint32_t continuations; /* CONTINUATION frames of a field section */
	uint32_t resets;	/* streams reset by the client, per window */
	uint32_t settings;	/* SETTINGS frames, per window */
	uint32_t pings;		/* PING frames, per window */
	uint32_t empty_frames;	/* DATA and CONTINUATION frames without
				 * payload, unless they end something; per
				 * window */
	uint32_t priorities;	/* PRIORITY and PRIORITY_UPDATE, per window */
	/* WINDOW_UPDATE frames per DATA frame of ours, beyond 1,000 */
	uint32_t window_updates;
};

struct limits {
	uint32_t connections; /* from clients, over all workers */
	/* of these from one address, an IPv6 /64 being one; 0 = any */
	uint32_t connections_per_client;
	uint32_t requests_per_connection; /* of a client; 0 = any */
	uint32_t uri_bytes;		  /* of a request target */
	uint32_t header_bytes;		  /* of a request or response head */
	uint32_t header_count;		  /* fields in a head */
	uint64_t body_bytes;		  /* of a request body; 0 = any */
	struct http2_limits http2;
};

enum x_forwarded {
	X_FORWARDED_APPEND,
	X_FORWARDED_REPLACE,
	X_FORWARDED_OFF,
};

struct forward {
	enum x_forwarded x_forwarded;
	bool via;
	bool version;	      /* X-Shunt-Version on responses */
	struct cidr *trusted; /* their X-Forwarded-* is believed */
	size_t ntrusted;
};

enum log_format {
	LOG_FORMAT_JSON,
	LOG_FORMAT_COMBINED, /* Apache's, our fields behind it */
};

struct access_log_settings {
	char *path; /* NULL = no access log, "-" = stdout */
	enum log_format format;
};

struct certificate;
struct trust;

/* Values of min_version: as they stand on the wire. */
enum tls_version {
	TLS_VERSION_1_2 = 0x0303,
	TLS_VERSION_1_3 = 0x0304,
};

struct tls_settings {
	/* held; the first is shown to who names no host, or one of none */
	struct certificate **certificates;
	size_t ncertificates;
	struct trust *client_ca; /* held; NULL: clients are not asked */
	bool client_optional;	 /* who has no certificate is let in, too */
	enum tls_version min_version;
	char *ciphers;	    /* of TLS 1.2, OpenSSL's syntax; NULL = ours */
	char *ciphersuites; /* of TLS 1.3, OpenSSL's syntax; NULL = ours */
};

struct listen_settings {
	struct address address;
	bool proxy_protocol; /* each connection begins with a PROXY header */
	bool http2;	     /* spoken with who asks for it */
	/* requests are answered with a redirect to https on this port, 0 =
	 * they are not */
	uint16_t redirect_port;
	char *hsts; /* value of Strict-Transport-Security; NULL = not sent */
	struct tls_settings *tls; /* NULL = in clear text */
};

/* Which records of a name are asked for. */
enum dns_family {
	DNS_FAMILY_BOTH, /* A and AAAA */
	DNS_FAMILY_IPV4,
	DNS_FAMILY_IPV6,
};

#define DNS_EMPTY_KEPT UINT32_MAX

struct resolver_settings {
	struct address *servers; /* none = those of /etc/resolv.conf */
	size_t nservers;
	uint32_t timeout_ms; /* of a server, in the first round */
	uint32_t tries;	     /* rounds over all servers */
	enum dns_family family;
	uint32_t min_ttl_ms, max_ttl_ms;
	uint32_t backoff_ms, max_backoff_ms;
	/* so long an answer without addresses leaves the last one as it is;
	 * DNS_EMPTY_KEPT = for ever */
	uint32_t empty_ms;
};

struct settings {
	struct listen_settings *listeners;
	size_t nlisteners;
	struct access_log_settings access_log;
	char *state;	      /* file of what is set at run time; NULL = none */
	char *admin_socket;   /* NULL = none */
	struct address admin; /* len == 0: none */
	unsigned workers;     /* 0 = one per CPU */
	struct timeouts timeouts;
	struct limits limits;
	struct forward forward;
	struct resolver_settings resolver;
};

#endif
