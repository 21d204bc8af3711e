/* The subcommands, one file each; main.c has the table of them. */
#ifndef CLI_SUBCOMMANDS_H
#define CLI_SUBCOMMANDS_H

struct subcommand;

extern const struct subcommand subcommand_run;
extern const struct subcommand subcommand_check;
extern const struct subcommand subcommand_status;
extern const struct subcommand subcommand_weight;
extern const struct subcommand subcommand_rollout;
extern const struct subcommand subcommand_diff;
extern const struct subcommand subcommand_explain;
extern const struct subcommand subcommand_pod;
extern const struct subcommand subcommand_load;
extern const struct subcommand subcommand_app;

#endif
