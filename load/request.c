/* Rendering requests. */
#include "load/request.h"

#include <ctype.h>
#include <stdio.h>

#include "load/jar.h"
#include "load/target.h"

static void
add_line(struct buffer *out, struct span name, struct span value)
{
	buffer_add(out, name);
	buffer_add(out, SPAN(": "));
	buffer_add(out, value);
	buffer_add(out, SPAN("\r\n"));
}

/* Whether a request of that method says how long its body is (RFC 9110 8.6). */
static bool
has_length(const struct profile *p)
{
	return p->has_body || span_eq(p->method, SPAN("POST")) ||
	       span_eq(p->method, SPAN("PUT")) ||
	       span_eq(p->method, SPAN("PATCH"));
}

static bool
is_idempotent(const struct profile *p)
{
	static const struct span methods[] = {SPAN("GET"), SPAN("HEAD"),
	    SPAN("OPTIONS"), SPAN("TRACE"), SPAN("PUT"), SPAN("DELETE")};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (span_eq(p->method, methods[i]))
			return true;
	return false;
}

static struct span
own_or(const struct profile *p, struct span name, struct span usual)
{
	const struct span *own = profile_field(p, name);

	return own != NULL ? *own : usual;
}

static bool
is_written_apart(struct span name)
{
	return span_eq_nocase(name, SPAN("host")) ||
	       span_eq_nocase(name, SPAN("user-agent")) ||
	       span_eq_nocase(name, SPAN("accept"));
}

static void
render_h1(struct request *r, const struct profile *p, const struct target *t)
{
	struct buffer *out = &r->h1_lines;

	buffer_print(out, "%.*s %s HTTP/1.1\r\n", SPAN_ARG(p->method), t->path);
	add_line(
	    out, SPAN("Host"), own_or(p, SPAN("host"), span_of(t->authority)));
	add_line(
	    out, SPAN("User-Agent"), own_or(p, SPAN("user-agent"), p->agent));
	add_line(out, SPAN("Accept"), own_or(p, SPAN("accept"), SPAN("*/*")));
	for (size_t i = 0; i < p->nfields; i++)
		if (!is_written_apart(p->fields[i].name))
			add_line(out, p->fields[i].name, p->fields[i].value);
	if (r->length[0] != '\0')
		add_line(out, SPAN("Content-Length"), span_of(r->length));
	if (r->cookies.n > 0)
		add_line(out, SPAN("Cookie"), buffer_span(&r->cookies));
	if (!r->fixed)
		return;
	buffer_add(&r->h1_whole, buffer_span(out));
	buffer_add(&r->h1_whole, SPAN("\r\n"));
	buffer_add(&r->h1_whole, r->body);
}

static void
add_field(struct request *r, struct span name, struct span value)
{
	r->fields[r->nfields++] = (struct profile_field){name, value};
}

/* What belongs to a connection of HTTP/1 (RFC 9113 8.2.2). */
static bool
is_of_connection(struct span name)
{
	return span_eq_nocase(name, SPAN("connection")) ||
	       span_eq_nocase(name, SPAN("keep-alive")) ||
	       span_eq_nocase(name, SPAN("proxy-connection")) ||
	       span_eq_nocase(name, SPAN("upgrade"));
}

static void
render_h2(struct request *r, const struct profile *p, const struct target *t)
{
	size_t at = 0;

	add_field(r, SPAN(":method"), p->method);
	add_field(r, SPAN(":scheme"), t->tls ? SPAN("https") : SPAN("http"));
	add_field(r, SPAN(":authority"),
	    own_or(p, SPAN("host"), span_of(t->authority)));
	add_field(r, SPAN(":path"), span_of(t->path));
	add_field(
	    r, SPAN("user-agent"), own_or(p, SPAN("user-agent"), p->agent));
	add_field(r, SPAN("accept"), own_or(p, SPAN("accept"), SPAN("*/*")));
	for (size_t i = 0; i < p->nfields; i++)
		buffer_add(&r->names, p->fields[i].name);
	for (size_t i = 0; i < r->names.n; i++)
		r->names.p[i] = (char)tolower((unsigned char)r->names.p[i]);
	for (size_t i = 0; i < p->nfields && !r->names.failed; i++) {
		struct span name = {r->names.p + at, p->fields[i].name.n};

		at += name.n;
		if (!is_written_apart(name) && !is_of_connection(name))
			add_field(r, name, p->fields[i].value);
	}
	if (r->length[0] != '\0')
		add_field(r, SPAN("content-length"), span_of(r->length));
	if (r->cookies.n > 0)
		add_field(r, SPAN("cookie"), buffer_span(&r->cookies));
}

bool
request_render(struct request *r, const struct profile *p,
    const struct target *t, bool jars)
{
	*r = (struct request){.head = span_eq(p->method, SPAN("HEAD"))};
	r->idempotent = is_idempotent(p);
	r->body = p->body;
	if (has_length(p))
		snprintf(r->length, sizeof r->length, "%zu", p->body.n);
	for (size_t i = 0; i < p->ncookies && !jars; i++) {
		if (i > 0)
			buffer_add(&r->cookies, SPAN("; "));
		buffer_add(&r->cookies, p->cookies[i]);
	}
	r->fixed = !jars && span_find(span_of(t->path), REQUEST_USER) == NULL &&
		   span_find(buffer_span(&r->cookies), REQUEST_USER) == NULL;
	for (size_t i = 0; i < p->nfields; i++)
		if (span_find(p->fields[i].value, REQUEST_USER) != NULL)
			r->fixed = false;
	render_h1(r, p, t);
	render_h2(r, p, t);
	return !r->h1_lines.failed && !r->h1_whole.failed && !r->names.failed &&
	       !r->cookies.failed;
}

void
request_free(struct request *r)
{
	buffer_free(&r->h1_lines);
	buffer_free(&r->h1_whole);
	buffer_free(&r->names);
	buffer_free(&r->cookies);
}

void
request_expand(struct span text, uint64_t user, struct buffer *out)
{
	const char *found;

	while ((found = span_find(text, REQUEST_USER)) != NULL) {
		size_t before = (size_t)(found - text.p);

		buffer_add(out, (struct span){text.p, before});
		buffer_print(out, "%llu", (unsigned long long)user);
		text.p = found + REQUEST_USER.n;
		text.n -= before + REQUEST_USER.n;
	}
	buffer_add(out, text);
}

void
request_write_h1(const struct request *r, uint64_t user, const struct jar *jar,
    uint64_t wall_us, struct buffer *out)
{
	request_expand(buffer_span(&r->h1_lines), user, out);
	if (jar != NULL && !jar_empty(jar, wall_us)) {
		buffer_add(out, SPAN("Cookie: "));
		jar_write(jar, wall_us, out);
		buffer_add(out, SPAN("\r\n"));
	}
	buffer_add(out, SPAN("\r\n"));
	buffer_add(out, r->body);
}
