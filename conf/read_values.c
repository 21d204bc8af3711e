/* What readers share: room, copies, paths, ranges. */
#include <stdlib.h>
#include <string.h>

#include "conf/tables.h"

void *
read_alloc(struct errors *e, const struct node *list, size_t size)
{
	void *p = calloc(list->n > 0 ? list->n : 1, size);

	if (p == NULL)
		errors_no_memory(e);
	return p;
}

char *
read_copy(struct errors *e, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		errors_no_memory(e);
	return copy;
}

char *
read_file_path(struct errors *e, const char *text)
{
	const char *slash = strrchr(e->file, '/');
	char *path;

	if (text[0] == '/' || slash == NULL)
		return read_copy(e, text);
	if (asprintf(&path, "%.*s/%s", (int)(slash - e->file), e->file, text) <
	    0) {
		errors_no_memory(e);
		return NULL;
	}
	return path;
}

char *
read_file_named(
    struct errors *e, const struct option *o, const struct node *value)
{
	const char *text = option_text(e, o, value);

	if (text == NULL)
		return NULL;
	if (text[0] != '\0')
		return read_file_path(e, text);
	option_refuse(e, o, value);
	return NULL;
}

bool
read_range(struct errors *e, const struct option *o, const struct node *value,
    int *min, int *max)
{
	const char *text = option_text(e, o, value);
	struct span rest, first, last;
	uint64_t low, high;

	if (text == NULL)
		return false;
	rest = span_of(text);
	first = span_cut(&rest, '-');
	last = rest.p != NULL ? rest : first;
	if (!span_to_u64(first, &low) || !span_to_u64(last, &high) ||
	    low < o->min || high > o->max || low > high) {
		option_refuse(e, o, value);
		return false;
	}
	*min = (int)low;
	*max = (int)high;
	return true;
}
