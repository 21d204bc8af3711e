/* Looking at programs and folders, as the system will when it runs them. */
#include "conf/launch_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/opt.h"
#include "conf/tables.h"
#include "router/launch_spec.h"

#define SYSTEM_PATH "/usr/local/bin:/bin:/usr/bin"

char *
read_absolute(struct errors *e, const char *text)
{
	char here[PATH_MAX], *path = read_file_path(e, text), *whole;

	if (path == NULL || path[0] == '/')
		return path;
	if (getcwd(here, sizeof here) == NULL ||
	    asprintf(&whole, "%s/%s", here, path) < 0) {
		free(path);
		errors_no_memory(e);
		return NULL;
	}
	free(path);
	return whole;
}

/* 0, or why it cannot be run: an errno. */
static int
file_fault(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EISDIR;
	/* who may run it is known only to whoever does */
	return (st.st_mode & 0111) != 0 ? 0 : EACCES;
}

static int
search_fault(const char *name, const char *path)
{
	struct span rest = span_of(path != NULL ? path : SYSTEM_PATH), folder;
	char file[PATH_MAX];

	do {
		folder = span_cut(&rest, ':');
		snprintf(file, sizeof file, "%.*s%s%s", SPAN_ARG(folder),
		    folder.n > 0 ? "/" : "", name);
		if (file_fault(file) == 0)
			return 0;
	} while (rest.p != NULL);
	return ENOENT;
}

static bool
tell(int error, const char *wanted, const char *found, char *why, size_t size)
{
	char quoted[OPT_QUOTE_MAX];

	/* What only another user may look at may well be good. */
	if (error == 0)
		return false;
	opt_quote(span_of(found), quoted, sizeof quoted);
	snprintf(why, size, "expected %s, found %s: %s", wanted, quoted,
	    error == EISDIR ? "it is no file" : strerror(error));
	return true;
}

bool
launch_program_fault(
    const char *program, const char *path, char *why, size_t why_size)
{
	struct stat st;
	int error;

	if (strchr(program, '/') == NULL)
		return tell(search_fault(program, path),
		    "a program in a folder of PATH", program, why, why_size);
	error = file_fault(program);
	if (error == EACCES && stat(program, &st) < 0)
		error = 0;
	return tell(error, "a program", program, why, why_size);
}

bool
launch_directory_fault(const char *path, char *why, size_t why_size)
{
	struct stat st;
	int error = 0;

	if (stat(path, &st) < 0)
		error = errno == EACCES ? 0 : errno;
	else if (!S_ISDIR(st.st_mode))
		error = ENOTDIR;
	return tell(error, "a folder", path, why, why_size);
}

const char *
launch_path(const struct launch_spec *l)
{
	for (size_t i = 0; i < l->nenv; i++)
		if (l->env[i].name != NULL && l->env[i].value != NULL &&
		    strcmp(l->env[i].name, "PATH") == 0)
			return l->env[i].value;
	return getenv("PATH");
}

bool
launch_fault(const struct launch_spec *l, char *why, size_t why_size)
{
	if (l->directory != NULL &&
	    launch_directory_fault(l->directory, why, why_size))
		return true;
	return strchr(l->command[0], '{') == NULL &&
	       launch_program_fault(
		   l->command[0], launch_path(l), why, why_size);
}
