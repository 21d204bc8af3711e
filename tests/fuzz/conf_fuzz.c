/* Any bytes as a config file: read whole, or refused with places. */
#include "conf/conf.h"
#include "router/plan.h"
#include "tests/fuzz/fuzz.h"

/* What was accepted must make a plan, or be refused with a reason. */
static void
accepted(struct conf *conf)
{
	char why[512] = "";
	struct plan *plan;

	plan = plan_build(conf->spec, NULL, 1, 0, why, sizeof why);
	if (plan != NULL)
		plan_drop(plan);
	else
		CHECK(why[0] != '\0');
	conf_free(conf);
}

static void
refused(const struct conf_errors *errors)
{
	CHECK(errors->n > 0);
	for (size_t i = 0; i < errors->n; i++) {
		CHECK(strncmp(errors->lines[i], "x.yaml:", 7) == 0);
		CHECK(strchr(errors->lines[i], '\n') == NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = fuzz_copy(bytes, n);
	struct conf_errors errors = {NULL, 0};
	struct conf *conf = conf_parse("x.yaml", in.p, in.n, &errors);

	if (conf != NULL)
		accepted(conf);
	else
		refused(&errors);
	conf_errors_free(&errors);
	fuzz_free(in);
	return 0;
}
