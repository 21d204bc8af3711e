/*
 * HTTP/1 heads as tables: bytes, verdict, what was read. Each row is also fed
 * byte by byte, from memory of exactly that size: the verdict must be the
 * same, and never come late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/h1_parse.h"

#define MAX_FIELDS 8u

struct request_row {
	const char *bytes;
	enum h1_result result;
	enum err error; /* when BAD */
	enum h1_body body;
	uint64_t length;
	bool keep_alive;
};

#define DONE(bytes, body, length, keep_alive)                      \
	{                                                          \
		bytes, H1_DONE, ERR_NONE, body, length, keep_alive \
	}
#define MORE(bytes)                                              \
	{                                                        \
		bytes, H1_MORE, ERR_NONE, H1_BODY_NONE, 0, false \
	}
#define BAD(bytes)                                                     \
	{                                                              \
		bytes, H1_BAD, ERR_BAD_REQUEST, H1_BODY_NONE, 0, false \
	}
#define BAD_AS(bytes, error)                                 \
	{                                                    \
		bytes, H1_BAD, error, H1_BODY_NONE, 0, false \
	}

#define HOST "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST

static const struct request_row requests[] = {
    DONE(GET "\r\n", H1_BODY_NONE, 0, true),
    DONE("\r\n\r\n" GET "\r\n", H1_BODY_NONE, 0, true),
    DONE("GET / HTTP/1.0\r\n\r\n", H1_BODY_NONE, 0, false),
    DONE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", H1_BODY_NONE, 0,
	true),
    DONE("GET / HTTP/1.7\r\n" HOST "\r\n", H1_BODY_NONE, 0, true),
    DONE(GET "Connection: close\r\n\r\n", H1_BODY_NONE, 0, false),
    DONE(GET "Connection: Keep-Alive , CLOSE\r\n\r\n", H1_BODY_NONE, 0, false),
    DONE(GET "Connection: x\r\nConnection: close\r\n\r\n", H1_BODY_NONE, 0,
	false),
    DONE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", H1_BODY_NONE, 0, true),
    DONE("GET http://a/b?c HTTP/1.1\r\n" HOST "\r\n", H1_BODY_NONE, 0, true),
    DONE(
	"!#$%&'*+-.^_`|~9Az / HTTP/1.1\r\n" HOST "\r\n", H1_BODY_NONE, 0, true),
    DONE(GET "X:\r\n\r\n", H1_BODY_NONE, 0, true),
    DONE(GET "X: \t v\xc3\xa4 \t\r\n\r\n", H1_BODY_NONE, 0, true),
    DONE("GET / HTTP/1.1\r\nhOsT:[::1]:80\r\n\r\n", H1_BODY_NONE, 0, true),
    DONE(POST "Content-Length: 5\r\n\r\n", H1_BODY_LENGTH, 5, true),
    DONE(POST "Content-Length: 0\r\n\r\n", H1_BODY_NONE, 0, true),
    DONE(POST "Content-Length: 9223372036854775807\r\n\r\n", H1_BODY_LENGTH,
	INT64_MAX, true),
    DONE(POST "Content-Length: 0005\r\n\r\n", H1_BODY_LENGTH, 5, true),
    DONE(POST "Content-Length:\t5 \t\r\n\r\n", H1_BODY_LENGTH, 5, true),
    DONE(POST "Transfer-Encoding: Chunked\r\n\r\n", H1_BODY_CHUNKED, 0, true),
    DONE(POST "Transfer-Encoding:  chunked \r\n\r\n", H1_BODY_CHUNKED, 0, true),

    MORE("G"),
    MORE("GET /"),
    MORE("\r"),
    MORE("\r\n"),
    MORE(GET),
    MORE(GET "\r"),
    MORE(GET "X: y"),
    MORE(GET "X: y\r"),

    /* the request line */
    BAD(" GET / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET  / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET /  HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET\t/ HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/1.1 \r\n" HOST "\r\n"),
    BAD("GET /\tHTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET \t/ HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET / \tHTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET / a HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/1.1 HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/1.1\v\r\n" HOST "\r\n"),
    BAD("GET / HTTP/1.1\r\r\n" HOST "\r\n"),
    BAD("GET / HTTP /1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/1,1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/+1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/01.1\r\n" HOST "\r\n"),
    BAD("GET / Http/1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTPS/1.1\r\n" HOST "\r\n"),
    BAD("GET /\rb HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET /\nb HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET /\x01 HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET HTTP/1.1\r\n" HOST "\r\n"),
    BAD("/ HTTP/1.1\r\n" HOST "\r\n"),
    BAD("G\x80T / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET: / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET\r\n\r\n"),
    BAD("GET /\n"),
    BAD("GET / HTTP/1.1\n" HOST "\r\n"),
    BAD("GET / HTTP/1.1\r" HOST "\r\n"),
    BAD("GET /\r\n\r\n"),
    BAD("GET / http/1.1\r\n" HOST "\r\n"),
    BAD("GET / HTTP/11\r\n" HOST "\r\n"),
    BAD("GET / HTTP/1.10\r\n" HOST "\r\n"),
    BAD("GET / HTTP/x.1\r\n" HOST "\r\n"),
    BAD("G(T / HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"),
    BAD("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"),
    BAD("\n" GET "\r\n"),
    BAD("\r\r" GET "\r\n"),
    BAD("\x16\x03\x01\x02"),
    BAD_AS("GET / HTTP/2.0\r\n" HOST "\r\n", ERR_VERSION),
    BAD_AS("GET / HTTP/0.9\r\n" HOST "\r\n", ERR_VERSION),
    BAD_AS("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ERR_VERSION),

    /* fields */
    BAD(GET " folded: x\r\n\r\n"),
    BAD(GET "X: a\r\n b\r\n\r\n"),
    BAD(GET "X : a\r\n\r\n"),
    BAD(GET ": a\r\n\r\n"),
    BAD(GET "X\r\n\r\n"),
    BAD(GET "X(: a\r\n\r\n"),
    BAD(GET "X: a\x01\r\n\r\n"),
    BAD(GET "X: a\x7f\r\n\r\n"),
    BAD(GET "X: a\v\r\n\r\n"),
    BAD(GET "X: a\f\r\n\r\n"),
    BAD(GET "X: a\x1b[2J\r\n\r\n"),
    BAD(GET "X: a\r\r\n\r\n"),
    BAD(GET "X:\r\n\ta\r\n\r\n"),
    BAD(GET "X:\r a\r\n\r\n"),
    BAD(GET "X:a\n b\r\n\r\n"),
    BAD(GET "X\t: a\r\n\r\n"),
    BAD(GET "X Y: a\r\n\r\n"),
    BAD(GET "\tX: a\r\n\r\n"),
    BAD(GET "X\x80: a\r\n\r\n"),
    BAD(GET "X\r: a\r\n\r\n"),
    BAD(GET "X\r\n: a\r\n\r\n"),
    BAD(GET "X;: a\r\n\r\n"),
    BAD(GET "\"X\": a\r\n\r\n"),
    BAD(GET "=: a\r\n\r\n"),
    BAD(GET "X: a\n\r\n"),
    BAD(GET "X: a\rb\r\n\r\n"),
    BAD(GET "\n"),
    BAD(GET "\rX"),
    DONE(GET "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\n\r\n", H1_BODY_NONE, 0,
	true),
    BAD_AS(GET "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n\r\n",
	ERR_HEAD_TOO_LARGE),

    /* Host: exactly one, and one that nobody can misread */
    BAD("GET / HTTP/1.1\r\n\r\n"),
    BAD(GET HOST "\r\n"),
    BAD("GET / HTTP/1.0\r\n" HOST HOST "\r\n"),
    BAD("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    BAD("GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"),

    /* framing: one length that all readers agree on */
    BAD(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
    BAD(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    BAD(POST "Content-Length: 5, 5\r\n\r\n"),
    BAD(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    BAD(POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n"),
    BAD(POST "Content-Length: 5\r\nContent-Length:\r\n\r\n"),
    BAD(POST "Content-Length: 5,\r\n\r\n"),
    BAD(POST "Content-Length: ,5\r\n\r\n"),
    BAD(POST "Content-Length: 5;\r\n\r\n"),
    BAD(POST "Content-Length: 5.0\r\n\r\n"),
    BAD(POST "Content-Length: 5e1\r\n\r\n"),
    BAD(POST "Content-Length: \"5\"\r\n\r\n"),
    BAD(POST "Content-Length: 5\v\r\n\r\n"),
    BAD(POST "Content-Length: 5a\r\n\r\n"),
    BAD(POST "Content-Length: \xc2\xb2\r\n\r\n"),
    BAD(POST "Content-Length : 5\r\n\r\n"),
    BAD(POST " Content-Length: 5\r\n\r\n"),
    BAD(POST "Content-Length: 9223372036854775808\r\n\r\n"),
    BAD(POST "Content-Length: 18446744073709551615\r\n\r\n"),
    BAD(POST "Content-Length: 99999999999999999999\r\n\r\n"),
    BAD(POST "Content-Length: +5\r\n\r\n"),
    BAD(POST "Content-Length: -1\r\n\r\n"),
    BAD(POST "Content-Length: 0x5\r\n\r\n"),
    BAD(POST "Content-Length: 5 5\r\n\r\n"),
    BAD(POST "Content-Length:\r\n\r\n"),
    BAD(POST "Content-Length: 18446744073709551616\r\n\r\n"),
    BAD(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: xchunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: identity\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked,\r\n\r\n"),
    BAD(POST "Transfer-Encoding: , chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"),
    BAD(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunkedx\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chun ked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\v\r\n\r\n"),
    BAD(POST "Transfer-Encoding: \x0b"
	     "chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\r\n\r\n"),
    BAD(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding : chunked\r\n\r\n"),
    BAD(POST " Transfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "X: y\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "X: y\rTransfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\n"
	     "Transfer-Encoding: identity\r\n\r\n"),
    BAD(POST "Transfer-Encoding: identity\r\n"
	     "Transfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD("POST / HTTP/1.0\r\nConnection: keep-alive\r\n"
	"Transfer-Encoding: chunked\r\n\r\n"),
    BAD(POST "Transfer-Encoding:\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\n"
	     "Transfer-Encoding: chunked\r\n\r\n"),
    BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    /* other names are other fields, whoever might take them for these */
    DONE(POST "Transfer_Encoding: chunked\r\nXContent-Length: 5\r\n\r\n",
	H1_BODY_NONE, 0, true),
    DONE(POST "TE: chunked\r\nContent-Length: 5\r\n\r\n", H1_BODY_LENGTH, 5,
	true),
};

struct response_row {
	const char *bytes;
	enum h1_result result;
	bool head_method;
	int status;
	enum h1_body body;
	uint64_t length;
	bool keep_alive;
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct response_row responses[] = {
    {OK "Content-Length: 3\r\n\r\n", H1_DONE, false, 200, H1_BODY_LENGTH, 3,
	true},
    {OK "Content-Length: 0\r\n\r\n", H1_DONE, false, 200, H1_BODY_NONE, 0,
	true},
    {OK "Transfer-Encoding: chunked\r\n\r\n", H1_DONE, false, 200,
	H1_BODY_CHUNKED, 0, true},
    {OK "\r\n", H1_DONE, false, 200, H1_BODY_CLOSE, 0, true},
    {OK "Content-Length: 3\r\n\r\n", H1_DONE, true, 200, H1_BODY_NONE, 3, true},
    {OK "Transfer-Encoding: chunked\r\n\r\n", H1_DONE, true, 200, H1_BODY_NONE,
	0, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", H1_DONE, false, 204, H1_BODY_NONE, 0,
	true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", H1_DONE, false,
	304, H1_BODY_NONE, 9, true},
    {"HTTP/1.1 100 Continue\r\n\r\n", H1_DONE, false, 100, H1_BODY_NONE, 0,
	true},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", H1_DONE, false, 101,
	H1_BODY_NONE, 0, true},
    {"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", H1_DONE, false, 200,
	H1_BODY_LENGTH, 1, true},
    {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", H1_DONE, false, 200,
	H1_BODY_LENGTH, 1, true},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", H1_DONE, false, 200,
	H1_BODY_LENGTH, 1, false},
    {OK "Connection: close\r\nContent-Length: 1\r\n\r\n", H1_DONE, false, 200,
	H1_BODY_LENGTH, 1, false},

    {"HTTP/1.", H1_MORE, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 20", H1_MORE, false, 0, H1_BODY_NONE, 0, false},
    {OK "Content-Length: 3\r\n", H1_MORE, false, 0, H1_BODY_NONE, 0, false},

    {"rubbish", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"\r\n" OK "\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/2.0 200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 20 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 2000 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 099 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1  200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 200 OK\rX: y\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1\t200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 200\tOK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {" HTTP/1.1 200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"http/1.1 200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.10 200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/0.9 200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"ICY 200 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 -20 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 600 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 999 OK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 200 O\x01K\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 200 O\x7fK\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 200 OK\n\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD,
	false, 0, H1_BODY_NONE, 0, false},
    {OK "Transfer-Encoding: gzip\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0,
	false},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Transfer-Encoding: chunked, gzip\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Transfer-Encoding: chunked, chunked\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Transfer-Encoding: chunked,\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE,
	0, false},
    {OK "Transfer-Encoding: xchunked\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE,
	0, false},
    {OK "Transfer-Encoding: identity\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE,
	0, false},
    {OK "Transfer-Encoding: chunked\v\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE,
	0, false},
    {OK "Transfer-Encoding:\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", H1_BAD,
	false, 0, H1_BODY_NONE, 0, false},
    {OK "Content-Length: +1\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "Content-Length: -1\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "Content-Length: 0x1\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0,
	false},
    {OK "Content-Length: 1 1\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0,
	false},
    {OK "Content-Length: 1, 1\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0,
	false},
    {OK "Content-Length: 1, 2\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0,
	false},
    {OK "Content-Length: 1\v\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0,
	false},
    {OK "Content-Length: 9223372036854775808\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Content-Length: 18446744073709551616\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Content-Length:\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {OK "Content-Length : 1\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK ": y\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X(: y\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X: a\x01\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X: a\x7f\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X: a\n\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X: a\rb\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "X: a\r\n b\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK " X: a\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "\tX: a\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {OK "\r\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},

    /* a body announced where none may be */
    {"HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD,
	false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n", H1_BAD, false, 0,
	H1_BODY_NONE, 0, false},
    {"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", H1_BAD,
	false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 1\r\n\r\n", H1_BAD,
	false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 101 Switching Protocols\r\nTransfer-Encoding: chunked\r\n\r\n",
	H1_BAD, false, 0, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n", H1_DONE,
	false, 101, H1_BODY_NONE, 0, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", H1_DONE, false,
	204, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", H1_DONE,
	false, 204, H1_BODY_NONE, 0, false},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", H1_DONE, false,
	204, H1_BODY_NONE, 0, true},
    {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", H1_DONE,
	false, 304, H1_BODY_NONE, 0, true},

    {OK "X : y\r\n\r\n", H1_BAD, false, 0, H1_BODY_NONE, 0, false},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* The first n bytes in memory of exactly that size; the caller frees p. */
static struct span
exact(const char *bytes, size_t n)
{
	char *p = malloc(n > 0 ? n : 1);

	assert_non_null(p);
	memcpy(p, bytes, n);
	return (struct span){p, n};
}

static void
within(struct span in, struct span part)
{
	if (part.p == NULL)
		return;
	assert_true(part.p >= in.p && part.p + part.n <= in.p + in.n);
}

/* What must hold for a prefix of an input whose whole verdict is known. */
static void
agree(struct span in, enum h1_result r, const struct h1_head *h,
    enum h1_result whole, const struct h1_head *all)
{
	if (r == H1_MORE)
		return;
	assert_int_equal(r, whole);
	if (r == H1_BAD) {
		assert_int_equal(h->error, all->error);
		return;
	}
	assert_int_equal(h->size, all->size);
	assert_int_equal(h->nfields, all->nfields);
	within(in, h->method);
	within(in, h->target);
	within(in, h->reason);
	within(in, h->host);
	for (unsigned i = 0; i < h->nfields; i++) {
		within(in, h->fields[i].name);
		within(in, h->fields[i].value);
	}
}

static void
request_row(const struct request_row *row)
{
	struct field all_fields[MAX_FIELDS], fields[MAX_FIELDS];
	size_t n = strlen(row->bytes);
	struct span in = exact(row->bytes, n);
	struct h1_head all, h;
	enum h1_result whole, r;

	print_message("%.60s\n", row->bytes);
	h1_head_init(&all, all_fields, MAX_FIELDS);
	whole = h1_parse_request(in, &all);
	assert_int_equal(whole, row->result);
	agree(in, whole, &all, whole, &all);
	if (whole == H1_BAD)
		assert_int_equal(all.error, row->error);
	if (whole == H1_DONE) {
		assert_int_equal(all.size, n);
		assert_int_equal(all.body, row->body);
		assert_int_equal(all.length, row->length);
		assert_int_equal(all.keep_alive, row->keep_alive);
	}
	h1_head_init(&h, fields, MAX_FIELDS);
	for (size_t i = 0; i < n; i++) {
		struct span part = exact(row->bytes, i);

		r = h1_parse_request(part, &h);
		assert_true(r != H1_DONE);
		agree(part, r, &h, whole, &all);
		free((char *)part.p);
	}
	free((char *)in.p);
}

static void
test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++)
		request_row(&requests[i]);
}

static void
response_row(const struct response_row *row)
{
	struct field all_fields[MAX_FIELDS], fields[MAX_FIELDS];
	size_t n = strlen(row->bytes);
	struct span in = exact(row->bytes, n);
	struct h1_head all, h;
	enum h1_result whole, r;

	print_message("%.60s\n", row->bytes);
	h1_head_init(&all, all_fields, MAX_FIELDS);
	whole = h1_parse_response(in, row->head_method, &all);
	assert_int_equal(whole, row->result);
	agree(in, whole, &all, whole, &all);
	if (whole == H1_BAD)
		assert_int_equal(all.error, ERR_BAD_RESPONSE);
	if (whole == H1_DONE) {
		assert_int_equal(all.size, n);
		assert_int_equal(all.status, row->status);
		assert_int_equal(all.body, row->body);
		assert_int_equal(all.keep_alive, row->keep_alive);
		if (row->length > 0)
			assert_int_equal(all.length, row->length);
	}
	h1_head_init(&h, fields, MAX_FIELDS);
	for (size_t i = 0; i < n; i++) {
		struct span part = exact(row->bytes, i);

		r = h1_parse_response(part, row->head_method, &h);
		assert_true(r != H1_DONE);
		agree(part, r, &h, whole, &all);
		free((char *)part.p);
	}
	free((char *)in.p);
}

static void
test_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(responses); i++)
		response_row(&responses[i]);
}

static void
test_request_parts(void **state)
{
	static const char bytes[] = "PUT /a/b?c=d HTTP/1.1\r\n"
				    "Host: shop.example:8080\r\n"
				    "USER-AGENT:  one two \r\n"
				    "Expect: 100-Continue\r\n"
				    "Connection: upgrade, x-mine\r\n"
				    "X-Mine: 1\r\n\r\nbody";
	struct field f[MAX_FIELDS];
	struct h1_head h;

	(void)state;
	h1_head_init(&h, f, MAX_FIELDS);
	assert_int_equal(h1_parse_request(span_of(bytes), &h), H1_DONE);
	assert_true(span_eq(h.method, SPAN("PUT")));
	assert_true(span_eq(h.target, SPAN("/a/b?c=d")));
	assert_true(span_eq(h.host, SPAN("shop.example:8080")));
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.nfields, 5);
	assert_true(span_eq(f[1].name, SPAN("USER-AGENT")));
	assert_true(span_eq(f[1].value, SPAN("one two")));
	assert_int_equal(f[1].id, FIELD_USER_AGENT);
	assert_int_equal(f[4].id, FIELD_OTHER);
	assert_true(h.expect_continue);
	assert_true(h.connection_upgrade);
	assert_true(h.connection_names);
	assert_false(h.close);
	assert_int_equal(h.size, sizeof bytes - 1 - 4);
}

static void
test_response_parts(void **state)
{
	static const char bytes[] = "HTTP/1.1 404 Not So Found\r\n"
				    "content-length: 2\r\n\r\nno";
	struct field f[MAX_FIELDS];
	struct h1_head h;

	(void)state;
	h1_head_init(&h, f, MAX_FIELDS);
	assert_int_equal(h1_parse_response(span_of(bytes), false, &h), H1_DONE);
	assert_int_equal(h.status, 404);
	assert_true(span_eq(h.reason, SPAN("Not So Found")));
	assert_int_equal(h.size, sizeof bytes - 1 - 2);
}

static void
test_head_complete(void **state)
{
	static const char bytes[] = GET "X: y\r\n\r\nrest";
	size_t scanned = 0, end = strlen(GET "X: y\r\n\r\n");

	(void)state;
	for (size_t i = 0; i < end; i++)
		assert_false(
		    h1_head_complete((struct span){bytes, i}, &scanned));
	assert_true(h1_head_complete((struct span){bytes, end}, &scanned));
	scanned = 0;
	assert_true(h1_head_complete(span_of(bytes), &scanned));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_responses),
	    cmocka_unit_test(test_request_parts),
	    cmocka_unit_test(test_response_parts),
	    cmocka_unit_test(test_head_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
