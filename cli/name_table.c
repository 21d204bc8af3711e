/* What `shunt status` and `shunt pod list` show of names. */
#include "cli/name_table.h"

#include <inttypes.h>

#include "admin/name_document.h"
#include "cli/table.h"

static const char *const titles[] = {
    "NAME", "VERSION", "STATE", ">ADDRESSES", "RESOLVED", ">NEXT", "ERROR"};

struct table *
name_table_new(void)
{
	return table_new(titles, sizeof titles / sizeof titles[0]);
}

void
name_table_add(struct table *t, const char *version, const struct name_view *v)
{
	table_cell(t, "%s", v->name);
	table_cell(t, "%s", version);
	table_cell(t, "%s", v->state);
	table_cell(t, "%" PRIu64, v->addresses);
	table_cell(
	    t, "%s", v->last_resolved != NULL ? v->last_resolved : "never");
	if (v->next_s < 0)
		table_cell(t, "now");
	else
		table_cell(t, "%.1f s", v->next_s);
	table_cell(t, "%s", v->error);
}
