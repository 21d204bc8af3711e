/* Escaping label values. */
#include "admin/label.h"

#include <stdlib.h>
#include <string.h>

char *
label_escape(const char *value)
{
	char *text = malloc(2 * strlen(value) + 1), *out = text;

	if (text == NULL)
		return NULL;
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"' || *value == '\n')
			*out++ = '\\';
		*out++ = *value == '\n' ? 'n' : *value;
	}
	*out = '\0';
	return text;
}
