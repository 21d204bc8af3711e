/*
 * Assertions that stay on in release builds: they catch our own bugs, never
 * a peer's input.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* Says what failed and where on stderr, and aborts. */
_Noreturn void check_failed(
    const char *what, const char *file, int line, const char *func);

#define CHECK(cond)                                                        \
	do {                                                               \
		if (__builtin_expect(!(cond), 0))                          \
			check_failed(#cond, __FILE__, __LINE__, __func__); \
	} while (0)

/* Every long-lived struct opens with `unsigned magic`. */
#define CHECK_OBJ(p, m) CHECK((p) != NULL && (p)->magic == (m))

/* For the default of a switch over an enum of ours. */
#define WRONG(what) check_failed((what), __FILE__, __LINE__, __func__)

#endif
