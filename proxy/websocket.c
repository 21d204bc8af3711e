/* Keys of WebSocket handshakes, and what answers them. */
#include "proxy/websocket.h"

#include <openssl/evp.h>

#include "base/check.h"

#define GUID	 "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define SHA1_MAX 20u

/* Base64 with its padding; OpenSSL's puts a NUL behind it. */
static void
encode(const unsigned char *bytes, size_t n, char *out, size_t size)
{
	unsigned char text[WEBSOCKET_ACCEPT_SIZE + 1];

	CHECK((n + 2) / 3 * 4 == size && size < sizeof text);
	EVP_EncodeBlock(text, bytes, (int)n);
	memcpy(out, text, size);
}

void
websocket_key(
    uint64_t random_a, uint64_t random_b, char out[WEBSOCKET_KEY_SIZE])
{
	unsigned char bytes[16];

	memcpy(bytes, &random_a, 8);
	memcpy(bytes + 8, &random_b, 8);
	encode(bytes, sizeof bytes, out, WEBSOCKET_KEY_SIZE);
}

/* 16 bytes in base64: 22 digits of it, and "==". */
static bool
is_key(struct span key)
{
	if (key.n != WEBSOCKET_KEY_SIZE || memcmp(key.p + 22, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = key.p[i];

		if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') &&
		    (c < 'a' || c > 'z') && c != '+' && c != '/')
			return false;
	}
	return true;
}

bool
websocket_accept(struct span key, char out[WEBSOCKET_ACCEPT_SIZE])
{
	char text[WEBSOCKET_KEY_SIZE + sizeof GUID - 1];
	unsigned char digest[SHA1_MAX];
	unsigned n;

	if (!is_key(key))
		return false;
	memcpy(text, key.p, key.n);
	memcpy(text + key.n, GUID, sizeof GUID - 1);
	if (!EVP_Digest(text, sizeof text, digest, &n, EVP_sha1(), NULL))
		return false;
	CHECK(n == sizeof digest);
	encode(digest, n, out, WEBSOCKET_ACCEPT_SIZE);
	return true;
}
