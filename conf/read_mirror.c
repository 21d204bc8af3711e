/* The mirror of a service: who gets which requests once more. */
#include "conf/tables.h"

_Static_assert(
    OPT_PERCENT_MAX == MIRROR_ALL, "shares are read in the router's unit");

const struct option mirror_options[] = {
    {
	.key = "version",
	.read = option_read_later,
	.type = "the name of a version",
	.help = "Who gets them; requests that it answers itself are not "
		"mirrored.",
	.required = true,
    },
    {
	.key = "share",
	.read = option_read_value,
	.kind = OPT_PERCENT,
	.max = OPT_PERCENT_MAX,
	.fallback = "100%",
	.help = "How many of the other requests are mirrored, exactly; 0% = "
		"none.",
	OPTION_FIELD(struct mirror_spec, share),
    },
    {
	.key = "body_bytes",
	.read = option_read_value,
	.kind = OPT_SIZE,
	.max = 16u << 20,
	.fallback = "64KiB",
	.help = "A request with a longer body is not mirrored.",
	OPTION_FIELD(struct mirror_spec, body_bytes),
    },
    {
	.key = "limit",
	.read = option_read_value,
	.kind = OPT_COUNT,
	.min = 1,
	.max = 100000,
	.fallback = "100",
	.help = "Mirrored requests in flight at once, at most, per worker.",
	OPTION_FIELD(struct mirror_spec, limit),
    },
    {.key = NULL},
};

void
read_mirror(struct errors *e, const struct option *o, const struct node *value,
    void *field)
{
	struct mirror_spec *m = field;

	m->on = true;
	option_read_map(e, o, value, field);
}
