/*
 * HTTP header fields as borrowed spans, with the names that the proxy cares
 * about turned into a small enum once, while parsing. Pure.
 */
#ifndef BASE_FIELD_H
#define BASE_FIELD_H

#include "base/span.h"

/* clang-format off */
#define FIELDS(X)                                  \
	X(CONNECTION,          "connection")          \
	X(CONTENT_LENGTH,      "content-length")      \
	X(COOKIE,              "cookie")              \
	X(DATE,                "date")                \
	X(EXPECT,              "expect")              \
	X(FORWARDED,           "forwarded")           \
	X(HOST,                "host")                \
	X(KEEP_ALIVE,          "keep-alive")          \
	X(MAX_FORWARDS,        "max-forwards")        \
	X(PROXY_CONNECTION,    "proxy-connection")    \
	X(STRICT_TRANSPORT,    "strict-transport-security") \
	X(TE,                  "te")                  \
	X(TRAILER,             "trailer")             \
	X(TRANSFER_ENCODING,   "transfer-encoding")   \
	X(UPGRADE,             "upgrade")             \
	X(USER_AGENT,          "user-agent")          \
	X(VIA,                 "via")                 \
	X(X_CLIENT_SUBJECT,    "x-client-subject")    \
	X(X_FORWARDED_FOR,     "x-forwarded-for")     \
	X(X_FORWARDED_HOST,    "x-forwarded-host")    \
	X(X_FORWARDED_PROTO,   "x-forwarded-proto")   \
	X(X_SHUNT_MIRROR,      "x-shunt-mirror")
/* clang-format on */

enum field_id {
	FIELD_OTHER,
#define X(id, name) FIELD_##id,
	FIELDS(X)
#undef X
	FIELD_COUNT
};

struct field {
	struct span name;  /* as received */
	struct span value; /* trimmed */
	enum field_id id;
};

/*
 * The id of a name in any case; FIELD_OTHER when it is none of ours. What only
 * we may say is known with '_' for '-', too: pods that turn names into
 * variables (CGI, RFC 3875 4.1.18) take one for the other.
 */
enum field_id field_lookup(struct span name);

/*
 * The value of a cookie in a Cookie field's value (RFC 6265 4.2.1), the
 * first one of that name; false when it has none.
 */
bool field_cookie(struct span cookies, struct span name, struct span *value);

#endif
