/* Reading messages of name servers: nothing in them is believed. */
#include "control/dns_answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

#define HEAD_BYTES   12u
#define RECORD_BYTES 10u /* type, class, TTL, length */
#define SRV_BYTES    6u
#define CLASS_IN     1u
#define TYPE_CNAME   5u
#define RCODE_MASK   0x0fu
#define TTL_MAX	     0x7fffffffu /* RFC 2181 8: more counts as 0 */
/* CNAMEs that are followed. */
#define CHAIN_MAX 16u

struct message {
	const uint8_t *p;
	size_t size, at; /* at <= size */
};

static const struct {
	const char *name, *words;
} outcomes[DNS_CANCELLED + 1] = {
    [DNS_OK] = {"ok", "resolved"},
    [DNS_EMPTY] = {"empty", "it has no addresses"},
    [DNS_NXDOMAIN] = {"nxdomain", "there is no such name (NXDOMAIN)"},
    [DNS_SERVFAIL] = {"servfail", "the name server failed (SERVFAIL)"},
    [DNS_REFUSED] = {"refused", "the name server refused (REFUSED)"},
    [DNS_TIMEOUT] = {"timeout", "no name server answered in time"},
    [DNS_MALFORMED] = {"malformed", "the answer cannot be read"},
    [DNS_UNREACHABLE] = {"unreachable", "no name server can be reached"},
    [DNS_CANCELLED] = {"cancelled", "cancelled"},
};

const char *
dns_type_name(enum dns_type type)
{
	return type == DNS_A ? "A" : type == DNS_AAAA ? "AAAA" : "SRV";
}

const char *
dns_outcome_name(enum dns_outcome outcome)
{
	CHECK(outcome <= DNS_CANCELLED);
	return outcomes[outcome].name;
}

const char *
dns_outcome_words(enum dns_outcome outcome)
{
	CHECK(outcome <= DNS_CANCELLED);
	return outcomes[outcome].words;
}

bool
dns_failed(enum dns_outcome outcome)
{
	return outcome != DNS_OK && outcome != DNS_EMPTY &&
	       outcome != DNS_NXDOMAIN;
}

static unsigned
read16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t
read32(const uint8_t *p)
{
	return (uint32_t)read16(p) << 16 | read16(p + 2);
}

/*
 * One label to text, with a dot behind it. Dots and what does not print would
 * make it another name: no host that pods may have is called so.
 */
static bool
add_label(const uint8_t *label, size_t n, char *name, size_t *used)
{
	if (*used + n + 2 > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (label[i] <= ' ' || label[i] >= 0x7f || label[i] == '.' ||
		    label[i] == '"' || label[i] == '\\')
			return false;
	memcpy(name + *used, label, n);
	*used += n;
	name[(*used)++] = '.';
	return true;
}

/*
 * The name at m->at, which moves behind it; without a dot at its end, "" for
 * the root. Pointers lead backwards only, so there is no circle (RFC 1035
 * 4.1.4).
 */
static bool
read_name(struct message *m, char *name)
{
	size_t at = m->at, used = 0, limit = m->size;
	bool moved = false;

	for (;;) {
		unsigned n;

		if (at >= limit)
			return false;
		n = m->p[at];
		if (n == 0)
			break;
		if (n < 0x40) {
			if (at + 1 + n > m->size ||
			    !add_label(m->p + at + 1, n, name, &used))
				return false;
			at += 1 + n;
			continue;
		}
		if (n < 0xc0 || at + 2 > m->size)
			return false;
		if (!moved)
			m->at = at + 2;
		moved = true;
		limit = at;
		at = read16(m->p + at) & 0x3fff;
		if (at >= limit)
			return false;
	}
	if (!moved)
		m->at = at + 1;
	name[used > 0 ? used - 1 : 0] = '\0';
	return true;
}

/* One resource record's head; m->at is behind it then. */
struct head {
	char owner[DNS_NAME_MAX];
	unsigned type, class;
	uint32_t ttl;
	size_t end; /* of its data, which begin at m->at */
};

static bool
read_head(struct message *m, struct head *h)
{
	const uint8_t *p;

	if (!read_name(m, h->owner) || m->size - m->at < RECORD_BYTES)
		return false;
	p = m->p + m->at;
	h->type = read16(p);
	h->class = read16(p + 2);
	h->ttl = read32(p + 4);
	if (h->ttl > TTL_MAX)
		h->ttl = 0;
	m->at += RECORD_BYTES;
	h->end = m->at + read16(p + 8);
	return h->end <= m->size;
}

/* Numbers, then a name that fills the rest. */
static bool
read_srv(struct message *m, const struct head *h, struct dns_srv *srv)
{
	const uint8_t *p = m->p + m->at;

	if (h->end - m->at <= SRV_BYTES)
		return false;
	srv->priority = (uint16_t)read16(p);
	srv->weight = (uint16_t)read16(p + 2);
	srv->port = (uint16_t)read16(p + 4);
	m->at += SRV_BYTES;
	return read_name(m, srv->target) && m->at == h->end;
}

/* DNS_OK: it is one more of the answer. */
static enum dns_outcome
add_record(struct message *m, const struct head *h, struct dns_answer *a)
{
	struct dns_record *r = &a->records[a->n];
	const size_t n = h->end - m->at;

	if (a->type == DNS_SRV) {
		r->srv = calloc(1, sizeof *r->srv);
		if (r->srv == NULL)
			return DNS_UNREACHABLE;
		a->n++;
		if (!read_srv(m, h, r->srv))
			return DNS_MALFORMED;
	} else {
		if (n != (a->type == DNS_A ? 4 : 16))
			return DNS_MALFORMED;
		memcpy(r->ip, m->p + m->at, n);
		a->n++;
	}
	if (h->ttl < a->ttl)
		a->ttl = h->ttl;
	return DNS_OK;
}

/*
 * The records of `name`, and in `name` where it leads instead. *led says that
 * it does.
 */
static enum dns_outcome
read_records(struct message m, unsigned count, char *name, bool *led,
    struct dns_answer *a)
{
	enum dns_outcome outcome = DNS_OK;
	char from[DNS_NAME_MAX];
	struct head h;

	memcpy(from, name, sizeof from);
	*led = false;
	for (; count > 0; count--, m.at = h.end) {
		if (!read_head(&m, &h))
			return DNS_MALFORMED;
		if (h.class != CLASS_IN || strcasecmp(h.owner, from) != 0)
			continue;
		if (h.type == (unsigned)a->type) {
			outcome = add_record(&m, &h, a);
		} else if (h.type == TYPE_CNAME && !*led) {
			*led = true;
			if (!read_name(&m, name) || m.at != h.end)
				return DNS_MALFORMED;
			if (h.ttl < a->ttl)
				a->ttl = h.ttl;
		}
		if (outcome != DNS_OK)
			return outcome;
	}
	return DNS_OK;
}

/* The records of the name in the question, or of where that leads. */
static enum dns_outcome
read_answers(struct message m, char *name, unsigned count, struct dns_answer *a)
{
	bool led = true;

	a->records = calloc(count + 1u, sizeof *a->records);
	if (a->records == NULL)
		return DNS_UNREACHABLE;
	for (unsigned i = 0; led && a->n == 0 && i < CHAIN_MAX; i++) {
		enum dns_outcome outcome =
		    read_records(m, count, name, &led, a);

		if (outcome != DNS_OK)
			return outcome;
	}
	if (a->n == 0 && led) /* in a circle, or nearly */
		return DNS_MALFORMED;
	return a->n > 0 ? DNS_OK : DNS_EMPTY;
}

static enum dns_outcome
read_message(struct message m, struct dns_answer *a)
{
	char name[DNS_NAME_MAX];

	if (m.size < HEAD_BYTES)
		return DNS_MALFORMED;
	switch (m.p[3] & RCODE_MASK) {
	case 0:
		break;
	case 3:
		return DNS_NXDOMAIN;
	case 5:
		return DNS_REFUSED;
	default:
		return DNS_SERVFAIL;
	}
	if (read16(m.p + 4) != 1)
		return DNS_MALFORMED;
	m.at = HEAD_BYTES;
	if (!read_name(&m, name) || m.size - m.at < 4)
		return DNS_MALFORMED;
	m.at += 4;
	return read_answers(m, name, read16(m.p + 6), a);
}

enum dns_outcome
dns_answer_read(const uint8_t *message, size_t size, enum dns_type type,
    struct dns_answer *answer)
{
	enum dns_outcome outcome;

	*answer = (struct dns_answer){.type = type, .ttl = TTL_MAX};
	outcome =
	    read_message((struct message){.p = message, .size = size}, answer);
	if (outcome != DNS_OK)
		dns_answer_clear(answer);
	return outcome;
}

void
dns_answer_clear(struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->n; i++)
		free(answer->records[i].srv);
	free(answer->records);
	answer->records = NULL;
	answer->n = 0;
}
