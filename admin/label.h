/* Label values of the Prometheus text format. Pure, any thread. */
#ifndef ADMIN_LABEL_H
#define ADMIN_LABEL_H

/*
 * The value with backslash, double quote and newline escaped, as it stands
 * between the quotes. The caller frees it; NULL without memory.
 */
char *label_escape(const char *value);

#endif
