/* Writing lines: numbers, and texts that cannot break out of their quotes. */
#include "proxy/access_format.h"

#include <stdbool.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "router/choose.h"

#define NO_SECOND UINT64_MAX

static const char hex[] = "0123456789abcdef";

static const char *const chosen_names[] = {
    [CHOICE_RULE] = "rule",
    [CHOICE_WEIGHT] = "weight",
    [CHOICE_STABLE] = "stable",
    [CHOICE_STICKY] = "sticky",
    [CHOICE_RELEASE] = "release",
};

static const char *const protocol_names[ACCESS_PROTOCOL_COUNT] = {
    [ACCESS_HTTP_1_0] = "HTTP/1.0",
    [ACCESS_HTTP_1_1] = "HTTP/1.1",
    [ACCESS_HTTP_2_0] = "HTTP/2.0",
};

/* Where in "2026-01-31T12:34:56.789Z" the milliseconds stand. */
#define MILLIS_AT 20

void
access_format_init(struct access_format *f, enum log_format format)
{
	f->format = format;
	f->second = NO_SECOND;
}

static char *
put_number(char *p, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	return span_put(p, (struct span){digits + at, sizeof digits - at});
}

static char *
put_three(char *p, unsigned v)
{
	*p++ = (char)('0' + v / 100 % 10);
	*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

/* Microseconds as milliseconds with three decimals. */
static char *
put_ms(char *p, uint64_t us)
{
	p = put_number(p, us / 1000);
	*p++ = '.';
	return put_three(p, (unsigned)(us % 1000));
}

static char *
put_hex(char *p, unsigned char c)
{
	*p++ = hex[c >> 4];
	*p++ = hex[c & 15];
	return p;
}

/* Empty where it is not known. */
static struct span
protocol_name(const struct access_entry *e)
{
	CHECK(e->protocol < ACCESS_PROTOCOL_COUNT);
	if (e->protocol == ACCESS_UNKNOWN)
		return SPAN_NONE;
	return span_of(protocol_names[e->protocol]);
}

static struct span
chosen_name(const struct access_entry *e)
{
	const size_t n = sizeof chosen_names / sizeof chosen_names[0];

	if (e->chosen < 0)
		return SPAN_NONE;
	CHECK((size_t)e->chosen < n);
	return span_of(chosen_names[e->chosen]);
}

/*
 * Bytes of the UTF-8 sequence at the start of s, two to four; 0 when it is
 * none (RFC 3629 4), or one of the C1 controls, U+0080 to U+009F.
 */
static size_t
utf8_sequence(struct span s)
{
	const unsigned char *b = (const unsigned char *)s.p;
	unsigned char least = 0x80, most = 0xbf;
	size_t n;

	if (b[0] >= 0xc2 && b[0] <= 0xdf)
		n = 2;
	else if (b[0] >= 0xe0 && b[0] <= 0xef)
		n = 3;
	else if (b[0] >= 0xf0 && b[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (b[0] == 0xc2 || b[0] == 0xe0)
		least = 0xa0; /* a control; longer than need be */
	else if (b[0] == 0xf0)
		least = 0x90;
	else if (b[0] == 0xed)
		most = 0x9f; /* a surrogate */
	else if (b[0] == 0xf4)
		most = 0x8f; /* beyond U+10FFFF */
	if (s.n < n || b[1] < least || b[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (b[i] < 0x80 || b[i] > 0xbf)
			return 0;
	return n;
}

static bool
plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* A run of bytes that stand for themselves in both formats. */
static struct span
plain_run(struct span s)
{
	size_t n = 0;

	while (n < s.n && plain((unsigned char)s.p[n]))
		n++;
	return (struct span){s.p, n};
}

/*
 * The inside of a JSON string (RFC 8259 7). Bytes that are not UTF-8 become
 * \u00XX, as if they were Latin-1.
 */
static char *
put_json_text(char *p, struct span s)
{
	while (s.n > 0) {
		struct span run = plain_run(s);

		if (run.n == 0)
			run = (struct span){s.p, utf8_sequence(s)};
		if (run.n > 0) {
			p = span_put(p, run);
		} else if (*s.p == '"' || *s.p == '\\') {
			*p++ = '\\';
			*p++ = *s.p;
			run.n = 1;
		} else {
			p = span_put(p, SPAN("\\u00"));
			p = put_hex(p, (unsigned char)*s.p);
			run.n = 1;
		}
		s.p += run.n;
		s.n -= run.n;
	}
	return p;
}

/* `,"name":` */
static char *
json_name(char *p, struct span name)
{
	*p++ = ',';
	*p++ = '"';
	p = span_put(p, name);
	*p++ = '"';
	*p++ = ':';
	return p;
}

static char *
json_text(char *p, struct span name, struct span text)
{
	p = json_name(p, name);
	if (text.n == 0)
		return span_put(p, SPAN("null"));
	*p++ = '"';
	p = put_json_text(p, text);
	*p++ = '"';
	return p;
}

static char *
json_number(char *p, struct span name, bool known, uint64_t v)
{
	p = json_name(p, name);
	return known ? put_number(p, v) : span_put(p, SPAN("null"));
}

static char *
json_ms(char *p, struct span name, uint64_t us)
{
	p = json_name(p, name);
	return us != ACCESS_NONE ? put_ms(p, us) : span_put(p, SPAN("null"));
}

/* RFC 3339 in UTC, with milliseconds. */
static char *
json_time(struct access_format *f, char *p, uint64_t us)
{
	if (f->second != us / 1000000) {
		clock_format(us, f->when, sizeof f->when);
		f->second = us / 1000000;
	}
	put_three(f->when + MILLIS_AT, (unsigned)(us / 1000 % 1000));
	p = span_put(p, SPAN("{\"time\":\""));
	p = span_put(p, span_of(f->when));
	*p++ = '"';
	return p;
}

static size_t
json_line(struct access_format *f, const struct access_entry *e, char *buf)
{
	const struct span *text = e->text;
	char *p = json_time(f, buf, e->time_us);

	p = json_text(p, SPAN("client"), text[ACCESS_CLIENT]);
	p = json_text(p, SPAN("method"), text[ACCESS_METHOD]);
	p = json_text(p, SPAN("target"), text[ACCESS_TARGET]);
	p = json_text(p, SPAN("host"), text[ACCESS_HOST]);
	p = json_text(p, SPAN("protocol"), protocol_name(e));
	p = json_number(p, SPAN("status"), e->status > 0, (uint64_t)e->status);
	p = json_number(p, SPAN("request_bytes"), true, e->request_bytes);
	p = json_number(p, SPAN("response_bytes"), true, e->response_bytes);
	p = json_text(p, SPAN("service"), text[ACCESS_SERVICE]);
	p = json_text(p, SPAN("version"), text[ACCESS_VERSION]);
	p = json_text(p, SPAN("pod"), text[ACCESS_POD]);
	p = json_number(p, SPAN("rule"), e->rule >= 0, (uint64_t)e->rule);
	p = json_text(p, SPAN("chosen"), chosen_name(e));
	p = json_text(p, SPAN("reason"), text[ACCESS_REASON]);
	p = json_number(p, SPAN("retries"), true, e->retries);
	p = json_ms(p, SPAN("queue_ms"), e->queue_us);
	p = json_ms(p, SPAN("connect_ms"), e->connect_us);
	p = json_ms(p, SPAN("first_byte_ms"), e->first_byte_us);
	p = json_ms(p, SPAN("total_ms"), e->total_us);
	p = json_text(p, SPAN("user_agent"), text[ACCESS_USER_AGENT]);
	p = json_text(p, SPAN("referer"), text[ACCESS_REFERER]);
	*p++ = '}';
	*p++ = '\n';
	return (size_t)(p - buf);
}

/* The inside of a quoted text as Apache writes it: \" \\ \xHH. */
static char *
put_quoted(char *p, struct span s)
{
	while (s.n > 0) {
		struct span run = plain_run(s);

		p = span_put(p, run);
		s.p += run.n;
		s.n -= run.n;
		if (s.n == 0)
			break;
		*p++ = '\\';
		if (*s.p == '"' || *s.p == '\\') {
			*p++ = *s.p;
		} else {
			*p++ = 'x';
			p = put_hex(p, (unsigned char)*s.p);
		}
		s.p++;
		s.n--;
	}
	return p;
}

/* In quotes also when there is none, as the format's readers expect. */
static char *
combined_text(char *p, struct span text)
{
	*p++ = ' ';
	*p++ = '"';
	p = text.n > 0 ? put_quoted(p, text) : span_put(p, SPAN("-"));
	*p++ = '"';
	return p;
}

/* ` name=` */
static char *
extra_name(char *p, struct span name)
{
	*p++ = ' ';
	p = span_put(p, name);
	*p++ = '=';
	return p;
}

static char *
extra_text(char *p, struct span name, struct span text)
{
	p = extra_name(p, name);
	if (text.n == 0)
		return span_put(p, SPAN("-"));
	*p++ = '"';
	p = put_quoted(p, text);
	*p++ = '"';
	return p;
}

static char *
extra_number(char *p, struct span name, bool known, uint64_t v)
{
	p = extra_name(p, name);
	return known ? put_number(p, v) : span_put(p, SPAN("-"));
}

static char *
extra_ms(char *p, struct span name, uint64_t us)
{
	p = extra_name(p, name);
	return us != ACCESS_NONE ? put_ms(p, us) : span_put(p, SPAN("-"));
}

/* ` [10/Oct/2000:13:55:36 +0000]`, in UTC and in English everywhere. */
static char *
combined_time(struct access_format *f, char *p, uint64_t us)
{
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May",
	    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t second = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	if (f->second != us / 1000000) {
		gmtime_r(&second, &tm);
		n = strftime(
		    f->when, sizeof f->when, "%d/Mon/%Y:%H:%M:%S +0000", &tm);
		CHECK(n > 0);
		memcpy(f->when + 3, months[tm.tm_mon], 3);
		f->second = us / 1000000;
	}
	p = span_put(p, SPAN(" ["));
	p = span_put(p, span_of(f->when));
	*p++ = ']';
	return p;
}

/* "%r" */
static char *
combined_request(char *p, const struct access_entry *e)
{
	if (e->text[ACCESS_METHOD].n == 0)
		return combined_text(p, SPAN_NONE);
	*p++ = ' ';
	*p++ = '"';
	p = put_quoted(p, e->text[ACCESS_METHOD]);
	*p++ = ' ';
	p = put_quoted(p, e->text[ACCESS_TARGET]);
	if (e->protocol != ACCESS_UNKNOWN) {
		*p++ = ' ';
		p = span_put(p, protocol_name(e));
	}
	*p++ = '"';
	return p;
}

static char *
combined_extras(char *p, const struct access_entry *e)
{
	const struct span *text = e->text;

	p = extra_text(p, SPAN("host"), text[ACCESS_HOST]);
	p = extra_text(p, SPAN("service"), text[ACCESS_SERVICE]);
	p = extra_text(p, SPAN("version"), text[ACCESS_VERSION]);
	p = extra_text(p, SPAN("pod"), text[ACCESS_POD]);
	p = extra_number(p, SPAN("rule"), e->rule >= 0, (uint64_t)e->rule);
	p = extra_text(p, SPAN("chosen"), chosen_name(e));
	p = extra_text(p, SPAN("reason"), text[ACCESS_REASON]);
	p = extra_number(p, SPAN("retries"), true, e->retries);
	p = extra_number(p, SPAN("request_bytes"), true, e->request_bytes);
	p = extra_ms(p, SPAN("queue_ms"), e->queue_us);
	p = extra_ms(p, SPAN("connect_ms"), e->connect_us);
	p = extra_ms(p, SPAN("first_byte_ms"), e->first_byte_us);
	return extra_ms(p, SPAN("total_ms"), e->total_us);
}

/* %h - - [%t] "%r" %>s %b "%{Referer}" "%{User-Agent}", then our own. */
static size_t
combined_line(struct access_format *f, const struct access_entry *e, char *buf)
{
	char *p = buf;

	if (e->text[ACCESS_CLIENT].n > 0)
		p = put_quoted(p, e->text[ACCESS_CLIENT]);
	else
		*p++ = '-';
	p = span_put(p, SPAN(" - -"));
	p = combined_time(f, p, e->time_us);
	p = combined_request(p, e);
	*p++ = ' ';
	p = e->status > 0 ? put_number(p, (uint64_t)e->status)
			  : span_put(p, SPAN("-"));
	*p++ = ' ';
	p = e->response_bytes > 0 ? put_number(p, e->response_bytes)
				  : span_put(p, SPAN("-"));
	p = combined_text(p, e->text[ACCESS_REFERER]);
	p = combined_text(p, e->text[ACCESS_USER_AGENT]);
	p = combined_extras(p, e);
	*p++ = '\n';
	return (size_t)(p - buf);
}

size_t
access_format_line(
    struct access_format *f, const struct access_entry *e, char *buf)
{
	switch (f->format) {
	case LOG_FORMAT_JSON:
		return json_line(f, e, buf);
	case LOG_FORMAT_COMBINED:
		return combined_line(f, e, buf);
	}
	WRONG("log format");
}
