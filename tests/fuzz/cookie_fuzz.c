/* Any bytes as a cookie's name, a newline, and a Cookie field's value. */
#include "base/field.h"
#include "tests/fuzz/fuzz.h"

/* A cookie that is there is found, wherever it stands behind others. */
static void
found_behind(struct span cookies, struct span name)
{
	size_t n = cookies.n + name.n + sizeof "; =v";
	char *p = malloc(n);
	struct span value = SPAN_NONE, all = {p, n - 1};
	size_t at = 0;

	CHECK(p != NULL);
	memcpy(p, cookies.p, cookies.n);
	at += cookies.n;
	memcpy(p + at, "; ", 2);
	at += 2;
	memcpy(p + at, name.p, name.n);
	at += name.n;
	memcpy(p + at, "=v", 2);
	CHECK(field_cookie(all, name, &value));
	CHECK(span_eq(value, SPAN("v")));
	fuzz_within(all, value);
	free(p);
}

static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (memchr("=; \t", name.p[i], 4) != NULL)
			return false;
	return name.n > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = fuzz_copy(bytes, n), rest = in, value = SPAN_NONE;
	struct span name = span_cut(&rest, '\n');
	struct span cookies = rest.p != NULL ? rest : (struct span){in.p, 0};

	(void)field_lookup(name);
	if (field_cookie(cookies, name, &value))
		fuzz_within(cookies, value);
	else if (is_name(name))
		found_behind(cookies, name);
	fuzz_free(in);
	return 0;
}
