/* What routes do with paths and header fields. */
#include "router/route.h"

#include <stdlib.h>

/* ": " and the end of a line */
#define LINE_BYTES 4u

int
edits_add(
    struct edits *e, enum edit_kind kind, struct span name, struct span value)
{
	struct edit *list = reallocarray(e->list, e->n + 1, sizeof *list);
	char *text;

	if (list == NULL)
		return -1;
	e->list = list;
	text = malloc(name.n + value.n + 1);
	if (text == NULL)
		return -1;
	span_put(span_put(text, name), value);
	list[e->n++] = (struct edit){
	    .kind = kind,
	    .id = field_lookup(name),
	    .name = {text, name.n},
	    .value = {text + name.n, value.n},
	    .text = text,
	};
	e->bytes += name.n + value.n + LINE_BYTES;
	return 0;
}

bool
edits_name(const struct edits *e, struct span name)
{
	for (size_t i = 0; i < e->n; i++)
		if (span_eq_nocase(e->list[i].name, name))
			return true;
	return false;
}

bool
edits_drop(const struct edits *e, enum field_id id, struct span name)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct edit *edit = &e->list[i];

		if (edit->kind != EDIT_ADD && edit->id == id &&
		    (id != FIELD_OTHER || span_eq_nocase(edit->name, name)))
			return true;
	}
	return false;
}

void
edits_clear(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->list[i].text);
	free(e->list);
	*e = (struct edits){0};
}

struct route_action *
route_action_new(void)
{
	return calloc(1, sizeof(struct route_action));
}

void
route_action_free(struct route_action *a)
{
	if (a == NULL)
		return;
	edits_clear(&a->request);
	edits_clear(&a->response);
	free(a->path);
	free(a->host);
	free(a->scheme);
	free(a);
}

size_t
route_path_size(const struct route_action *a, struct span path)
{
	return path.n + 1 + (a->path != NULL ? strlen(a->path) : 0);
}

size_t
route_path_write(char *buf, const struct route_action *a, struct span path)
{
	char *p = buf;

	if (a->change == PATH_KEEP || path.n == 0 || path.p[0] != '/')
		return (size_t)(span_put(p, path) - buf);
	p = span_put(p, span_of(a->path));
	if (a->change == PATH_SWAP_PREFIX)
		p = span_put(
		    p, (struct span){path.p + a->prefix, path.n - a->prefix});
	if (p == buf)
		*p++ = '/';
	return (size_t)(p - buf);
}
