/* Keys against a reading of base64, and the answer that the RFC shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/websocket.h"

/* RFC 6455 1.3 */
static void
accept_of_the_rfc(void **state)
{
	char out[WEBSOCKET_ACCEPT_SIZE + 1];

	(void)state;
	out[WEBSOCKET_ACCEPT_SIZE] = '!';
	assert_true(websocket_accept(SPAN("dGhlIHNhbXBsZSBub25jZQ=="), out));
	assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=!", sizeof out);
}

static void
no_keys(void **state)
{
	static const char *const keys[] = {
	    "",
	    "dGhlIHNhbXBsZSBub25jZQ=",
	    "dGhlIHNhbXBsZSBub25jZQ===",
	    "dGhlIHNhbXBsZSBub25jZQAA",
	    "dGhlIHNhbXBsZSBub25jZ===",
	    "dGhlIHNhbXBsZSBub25jZ\r==",
	    "dGhlIHNhbXBsZSBub25j-Q==",
	};
	char out[WEBSOCKET_ACCEPT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		assert_false(websocket_accept(span_of(keys[i]), out));
	assert_true(websocket_accept(SPAN("++++////0000999900AAzz=="), out));
}

static unsigned
digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = strchr(digits, c);

	assert_true(c != '\0' && at != NULL);
	return (unsigned)(at - digits);
}

/* All 16 bytes are in it. */
static void
keys(void **state)
{
	static const uint64_t randoms[][2] = {
	    {0, 0},
	    {UINT64_MAX, UINT64_MAX},
	    {0x0123456789abcdef, 0xfedcba9876543210},
	    {1, 0x8000000000000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof randoms / sizeof randoms[0]; i++) {
		char key[WEBSOCKET_KEY_SIZE + 1], out[WEBSOCKET_ACCEPT_SIZE];
		unsigned char bytes[18];

		key[WEBSOCKET_KEY_SIZE] = '!';
		websocket_key(randoms[i][0], randoms[i][1], key);
		assert_memory_equal(key + 22, "==!", 3);
		for (size_t k = 0; k < 6; k++) {
			unsigned v = 0;

			for (size_t j = 4 * k; j < 4 * k + 4; j++)
				v = v << 6 | (j < 22 ? digit(key[j]) : 0);
			bytes[3 * k] = (unsigned char)(v >> 16);
			bytes[3 * k + 1] = (unsigned char)(v >> 8);
			bytes[3 * k + 2] = (unsigned char)v;
		}
		assert_memory_equal(bytes, randoms[i], 16);
		assert_true(websocket_accept(
		    (struct span){key, WEBSOCKET_KEY_SIZE}, out));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accept_of_the_rfc),
	    cmocka_unit_test(no_keys),
	    cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
