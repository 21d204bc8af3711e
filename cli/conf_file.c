/* Loading the config file, or saying all that is wrong with it. */
#include "cli/conf_file.h"

#include <stdio.h>

#include "conf/conf.h"

struct conf *
load_conf(const char *path)
{
	struct conf_errors errors = {NULL, 0};
	struct conf *conf = conf_load(path, &errors);

	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	conf_errors_free(&errors);
	return conf;
}
