/* Loading the config file for a subcommand that cannot go on without. */
#ifndef CLI_CONF_FILE_H
#define CLI_CONF_FILE_H

struct conf;

/* Every error is told on stderr; NULL then. */
struct conf *load_conf(const char *path);

#endif
