/* The messages of gRPC's health service, as tables of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/grpc_health.h"

static void
test_ask(void **state)
{
	char name[HEALTH_GRPC_SERVICE_MAX + 1], buf[GRPC_HEALTH_ASK_MAX];

	(void)state;
	assert_int_equal(grpc_health_ask("", buf), 5);
	assert_memory_equal(buf, "\0\0\0\0\0", 5);
	assert_int_equal(grpc_health_ask("shop.Cart", buf), 16);
	assert_memory_equal(buf, "\0\0\0\0\x0b\x0a\x09shop.Cart", 16);
	memset(name, 'x', sizeof name);
	name[127] = '\0';
	assert_int_equal(grpc_health_ask(name, buf), 5 + 2 + 127);
	assert_memory_equal(buf, "\0\0\0\0\x81\x0a\x7fxx", 9);
	name[127] = 'x';
	name[128] = '\0';
	assert_int_equal(grpc_health_ask(name, buf), 5 + 3 + 128);
	assert_memory_equal(buf, "\0\0\0\0\x83\x0a\x80\x01xx", 10);
	name[128] = 'x';
	name[HEALTH_GRPC_SERVICE_MAX] = '\0';
	assert_int_equal(grpc_health_ask(name, buf), sizeof buf);
	assert_memory_equal(buf, "\0\0\0\0\xcb\x0a\xc8\x01xx", 10);
}

#define ROW(bytes, health)                       \
	{                                        \
		bytes, sizeof(bytes) - 1, health \
	}

static void
test_read(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum grpc_health health;
	} rows[] = {
	    ROW("\0\0\0\0\2\x08\1", GRPC_HEALTH_SERVING),
	    ROW("\0\0\0\0\2\x08\2", GRPC_HEALTH_NOT_SERVING),
	    ROW("\0\0\0\0\2\x08\3", GRPC_HEALTH_SERVICE_UNKNOWN),
	    /* the default is not written, or it is */
	    ROW("\0\0\0\0\0", GRPC_HEALTH_UNKNOWN),
	    ROW("\0\0\0\0\2\x08\0", GRPC_HEALTH_UNKNOWN),
	    /* one that a later version of the service may have */
	    ROW("\0\0\0\0\2\x08\4", GRPC_HEALTH_UNKNOWN),
	    ROW("\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		GRPC_HEALTH_UNKNOWN),
	    /* longer than it need be */
	    ROW("\0\0\0\0\3\x08\x81\0", GRPC_HEALTH_SERVING),
	    /* the last counts */
	    ROW("\0\0\0\0\4\x08\2\x08\1", GRPC_HEALTH_SERVING),
	    ROW("\0\0\0\0\4\x08\1\x08\2", GRPC_HEALTH_NOT_SERVING),
	    /* other fields, of every kind, around it */
	    ROW("\0\0\0\0\7\x12\3abc\x08\1", GRPC_HEALTH_SERVING),
	    ROW("\0\0\0\0\x0b\x11"
		"12345678\x08\1",
		GRPC_HEALTH_SERVING),
	    ROW("\0\0\0\0\7\x08\1\x1d"
		"1234",
		GRPC_HEALTH_SERVING),
	    ROW("\0\0\0\0\5\x10\xff\1\x08\1", GRPC_HEALTH_SERVING),
	    /* a field 1 of another kind is another field */
	    ROW("\0\0\0\0\4\x0a\2\x08\1", GRPC_HEALTH_UNKNOWN),
	    /* not one message */
	    ROW("", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0", GRPC_HEALTH_MALFORMED),
	    ROW("\1\0\0\0\2\x08\1", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\3\x08\1", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\1\x08\1", GRPC_HEALTH_MALFORMED),
	    ROW("\0\xff\xff\xff\xff\x08\1", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\2\x08\1\0\0\0\0\2\x08\1", GRPC_HEALTH_MALFORMED),
	    /* no message at all */
	    ROW("\0\0\0\0\1\x08", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\2\x08\x81", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\2\0\1", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\2\x0b\1", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\3\x12\2a", GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\x0c\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
		"a",
		GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\5\x11"
		"1234",
		GRPC_HEALTH_MALFORMED),
	    ROW("\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
		GRPC_HEALTH_MALFORMED),
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		/* exactly as large, so that a sanitizer sees a step beyond */
		char *bytes = malloc(rows[i].n + 1);
		enum grpc_health found;

		assert_non_null(bytes);
		memcpy(bytes + 1, rows[i].bytes, rows[i].n);
		found = grpc_health_read((struct span){bytes + 1, rows[i].n});
		if (found != rows[i].health)
			fail_msg("row %zu: %s", i, grpc_health_name(found));
		free(bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ask),
	    cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
