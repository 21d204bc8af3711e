/*
 * A name server's answer: its records of one type, read from the bytes of the
 * message (RFC 1035 4, SRV: RFC 2782). Pure, any thread.
 */
#ifndef CONTROL_DNS_ANSWER_H
#define CONTROL_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As they stand in messages. */
enum dns_type {
	DNS_A = 1,
	DNS_AAAA = 28,
	DNS_SRV = 33,
};

/* What became of a question. */
enum dns_outcome {
	DNS_OK,	      /* there are records */
	DNS_EMPTY,    /* the name has none of this type */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_SERVFAIL,
	DNS_REFUSED,
	DNS_TIMEOUT,
	DNS_MALFORMED,
	DNS_UNREACHABLE, /* no server could be asked */
	DNS_CANCELLED,	 /* we ended it: never counted, never shown */
	DNS_OUTCOME_COUNT = DNS_CANCELLED,
};

/* Room for a name in text, its NUL included. */
#define DNS_NAME_MAX 256u

struct dns_srv {
	uint16_t priority, weight, port;
	char target[DNS_NAME_MAX]; /* "" for ".": there is no such service */
};

struct dns_record {
	uint8_t ip[16];	     /* of A the first four */
	struct dns_srv *srv; /* owned; only of SRV */
};

struct dns_answer {
	enum dns_type type;
	struct dns_record *records;
	size_t n;
	uint32_t ttl; /* the least of those on the way, in seconds */
};

/* "A", "AAAA", "SRV". */
const char *dns_type_name(enum dns_type type);
/* For metrics: "ok", "nxdomain", ... */
const char *dns_outcome_name(enum dns_outcome outcome);
/* For people. */
const char *dns_outcome_words(enum dns_outcome outcome);
/* Neither records nor a word that there are none. */
bool dns_failed(enum dns_outcome outcome);

/*
 * Reads a whole message. Records count that belong to the name asked for, or
 * to one that CNAMEs lead to from there. Without DNS_OK the answer is empty;
 * DNS_UNREACHABLE without memory. dns_answer_clear() frees what it points to.
 */
enum dns_outcome dns_answer_read(const uint8_t *message, size_t size,
    enum dns_type type, struct dns_answer *answer);
void dns_answer_clear(struct dns_answer *answer);

#endif
