/* Applying edits of header fields. */
#include "proxy/edits.h"

#include "base/check.h"
#include "proxy/hop.h"

/* Whether the line "name: value" from p on gives way. */
static bool
line_drops(const struct edits *e, struct span line)
{
	struct span name = span_cut(&line, ':');

	return edits_drop(e, field_lookup(name), name);
}

char *
edits_write(const struct edits *e, char *begin, char *end)
{
	char *out = begin;

	for (char *p = begin, *next; p < end; p = next) {
		size_t n;

		next = memchr(p, '\n', (size_t)(end - p));
		CHECK(next != NULL);
		next++;
		n = (size_t)(next - p);
		if (line_drops(e, (struct span){p, n}))
			continue;
		memmove(out, p, n);
		out += n;
	}
	for (size_t i = 0; i < e->n; i++) {
		if (e->list[i].kind == EDIT_REMOVE)
			continue;
		out = span_put(out, e->list[i].name);
		out = span_put(out, SPAN(": "));
		out = span_put(out, e->list[i].value);
		out = span_put(out, SPAN("\r\n"));
	}
	return out;
}

static void
add(struct h1_head *h, struct field f)
{
	CHECK(h->nfields < h->max_fields);
	h->fields[h->nfields++] = f;
}

void
edits_apply(const struct edits *e, const struct h1_head *h,
    struct field *fields, unsigned max, struct h1_head *out)
{
	*out = *h;
	out->fields = fields;
	out->max_fields = max;
	out->nfields = 0;
	/* what Connection names goes now: it must not name what is added */
	out->connection_names = false;
	for (unsigned i = 0; i < h->nfields; i++) {
		const struct field *f = &h->fields[i];

		if (!edits_drop(e, f->id, f->name) &&
		    (hop_id(f->id) || !hop_field(h, f)))
			add(out, *f);
	}
	for (size_t i = 0; i < e->n; i++) {
		const struct edit *edit = &e->list[i];

		if (edit->kind != EDIT_REMOVE)
			add(out,
			    (struct field){edit->name, edit->value, edit->id});
	}
}
