/* Copying a request into one piece of memory. */
#include "proxy/keep_request.h"

#include <stdlib.h>
#include <string.h>

#include "router/match.h"

static size_t
size_of(const struct request *r)
{
	size_t n = sizeof *r + r->nfields * sizeof r->fields[0] + r->method.n +
		   r->authority.n + r->host.n + r->path.n + r->query.n +
		   r->newcomer.n;

	for (unsigned i = 0; i < r->nfields; i++)
		n += r->fields[i].name.n + r->fields[i].value.n;
	return n;
}

/* One that is not there stays so. */
static char *
move(char *p, struct span *s)
{
	char *end;

	if (s->p == NULL)
		return p;
	end = span_put(p, *s);
	s->p = p;
	return end;
}

struct request *
keep_request(const struct request *r)
{
	struct request *kept = malloc(size_of(r));
	struct field *fields;
	char *p;

	if (kept == NULL)
		return NULL;
	*kept = *r;
	fields = (struct field *)(void *)(kept + 1);
	p = (char *)(fields + r->nfields);
	p = move(p, &kept->method);
	p = move(p, &kept->authority);
	p = move(p, &kept->host);
	p = move(p, &kept->path);
	p = move(p, &kept->query);
	p = move(p, &kept->newcomer);
	for (unsigned i = 0; i < r->nfields; i++) {
		fields[i] = r->fields[i];
		p = move(p, &fields[i].name);
		p = move(p, &fields[i].value);
	}
	kept->fields = fields;
	return kept;
}
