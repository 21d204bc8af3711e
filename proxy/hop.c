/* Telling the fields of one hop from the others. */
#include "proxy/hop.h"

/* Whether Connection names this field (RFC 9110 7.6.1). */
static bool
named_by_connection(const struct h1_head *h, struct span name)
{
	for (unsigned i = 0; i < h->nfields; i++) {
		struct span list = h->fields[i].value, option;

		if (h->fields[i].id != FIELD_CONNECTION)
			continue;
		while (span_list_next(&list, &option))
			if (span_eq_nocase(option, name))
				return true;
	}
	return false;
}

bool
hop_id(enum field_id id)
{
	switch (id) {
	case FIELD_CONNECTION:
	case FIELD_CONTENT_LENGTH:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_TE:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_UPGRADE:
		return true;
	default:
		return false;
	}
}

bool
hop_field(const struct h1_head *h, const struct field *f)
{
	if (hop_id(f->id))
		return true;
	/* Host and forwarding fields are no option of the client's */
	return h->connection_names && f->id != FIELD_HOST &&
	       named_by_connection(h, f->name);
}
