/* What happens when one of our own assertions fails. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void
check_failed(const char *what, const char *file, int line, const char *func)
{
	fprintf(stderr, "shunt: bug: %s:%d: %s: %s\n", file, line, func, what);
	abort();
}
