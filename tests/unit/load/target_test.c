/* URLs, taken apart; nothing is asked of a resolver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/target.h"

static void
test_good(void **state)
{
	static const struct {
		const char *url, *connect;
		bool tls;
		const char *host, *authority, *path;
		unsigned port;
	} rows[] = {
	    {"http://127.0.0.1", NULL, false, "127.0.0.1", "127.0.0.1", "/",
		80},
	    {"https://127.0.0.1/", NULL, true, "127.0.0.1", "127.0.0.1", "/",
		443},
	    {"HTTP://127.0.0.1:81/a?b=c#d", NULL, false, "127.0.0.1",
		"127.0.0.1:81", "/a?b=c", 81},
	    {"http://[::1]:82?x", NULL, false, "::1", "[::1]:82", "/?x", 82},
	    {"http://[::1]/{user}", NULL, false, "::1", "[::1]", "/{user}", 80},
	    {"https://shop.example.com/x", "127.0.0.1:8443", true,
		"shop.example.com", "shop.example.com", "/x", 8443},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct target t;
		char why[512];

		if (!target_read(
			&t, rows[i].url, rows[i].connect, why, sizeof why))
			fail_msg("%s: %s", rows[i].url, why);
		assert_int_equal(t.tls, rows[i].tls);
		assert_string_equal(t.host, rows[i].host);
		assert_string_equal(t.authority, rows[i].authority);
		assert_string_equal(t.path, rows[i].path);
		assert_int_equal(address_port(&t.address), rows[i].port);
		target_free(&t);
	}
}

static void
test_unix(void **state)
{
	struct target t;
	char why[512];

	(void)state;
	assert_true(target_read(
	    &t, "http://shop/", "unix:/run/app.sock", why, sizeof why));
	assert_true(address_is_unix(&t.address));
	target_free(&t);
}

static void
test_wrong(void **state)
{
	static const char *const urls[] = {"", "shop", "ftp://127.0.0.1/",
	    "http://", "http:///x", "http://:80/", "http://127.0.0.1:0/",
	    "http://127.0.0.1:65536/", "http://127.0.0.1:x/", "http://[::1/",
	    "http://[::1]x/", "http://[]/", "http://u:p@127.0.0.1/",
	    "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://a b/"};

	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct target t;
		char why[512] = "";

		if (target_read(&t, urls[i], NULL, why, sizeof why))
			fail_msg("%s was taken", urls[i]);
		assert_non_null(
		    strstr(why, "expected a URL as http://HOST[:PORT]/PATH"));
		target_free(&t);
	}
}

static void
test_wrong_connect(void **state)
{
	struct target t;
	char why[512] = "";

	(void)state;
	assert_false(
	    target_read(&t, "http://shop/", "nowhere", why, sizeof why));
	assert_non_null(strstr(why, "--connect: expected IP:PORT"));
	target_free(&t);
}

/* A port of 127.0.0.1, where something listens or nothing. */
static int
open_port(struct sockaddr_in *a, bool listening)
{
	socklen_t n = sizeof *a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*a = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof *a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, &n), 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
test_choose(void **state)
{
	struct sockaddr_in closed, open;
	int fds[2] = {open_port(&closed, false), open_port(&open, true)};
	struct addrinfo second = {.ai_family = AF_INET,
	    .ai_addr = (struct sockaddr *)&open,
	    .ai_addrlen = sizeof open};
	struct addrinfo first = {.ai_family = AF_INET,
	    .ai_addr = (struct sockaddr *)&closed,
	    .ai_addrlen = sizeof closed,
	    .ai_next = &second};
	struct target t = {0};

	(void)state;
	target_choose(&t, &first);
	assert_int_equal(address_port(&t.address), ntohs(open.sin_port));
	/* the only one, and the first where none is better */
	first.ai_next = NULL;
	target_choose(&t, &first);
	assert_int_equal(address_port(&t.address), ntohs(closed.sin_port));
	close(fds[1]);
	first.ai_next = &second;
	target_choose(&t, &first);
	assert_int_equal(address_port(&t.address), ntohs(closed.sin_port));
	close(fds[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_wrong_connect),
	    cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
