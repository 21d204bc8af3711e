/*
 * One connection's TLS: OpenSSL between two buffers, with a BIO that reads
 * what was fed and writes into the worker's out.
 */
#include "proxy/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "proxy/fifo.h"
#include "proxy/tls_client.h"
#include "proxy/tls_server.h"

#define TLS_MAGIC 0x71500001u

/* Text of one record (RFC 8446 5.1), and what it grows by at most. */
#define RECORD_MAX    16384u
#define RECORD_GROWTH 512u
/*
 * A receiver can use a record only when it has all of it: as long as its
 * congestion window may be small, a record is a packet.
 */
#define RECORD_FIRST 1370u
#define FIRST_BYTES  (16u * RECORD_FIRST)
/* What a large read becomes, in one system call. */
#define OUT_SIZE (128u * 1024u + 16u * RECORD_GROWTH + RECORD_MAX)

enum tls_state {
	TLS_SHAKING,
	TLS_OPEN,
	TLS_ENDED, /* the peer said close_notify */
	TLS_BROKEN,
};

struct tls {
	unsigned magic;
	enum tls_state state;
	struct tls_wire *wire;
	SSL *ssl;
	struct tls_server *server; /* held; NULL to a pod */
	struct fifo kept;	   /* fed, not used yet */
	char *subject;
	const char *reason;
	uint32_t sent; /* text, up to FIRST_BYTES */
	bool end_sent;
};

static int
wire_bio_read(BIO *b, char *buf, size_t size, size_t *n)
{
	struct tls_wire *w = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (w->fed.n == 0) {
		BIO_set_retry_read(b);
		return 0;
	}
	*n = size < w->fed.n ? size : w->fed.n;
	memcpy(buf, w->fed.p, *n);
	w->fed.p += *n;
	w->fed.n -= *n;
	return 1;
}

static int
wire_bio_write(BIO *b, const char *bytes, size_t size, size_t *n)
{
	struct tls_wire *w = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (size > w->out_size - w->out_n)
		return 0; /* sized so that it cannot be; broken if it is */
	memcpy(w->out + w->out_n, bytes, size);
	w->out_n += size;
	*n = size;
	return 1;
}

static long
wire_bio_ctrl(BIO *b, int command, long number, void *pointer)
{
	(void)b;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int
wire_bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

/* Made once, before the threads; never freed. */
static BIO_METHOD *
wire_bio_method(void)
{
	static BIO_METHOD *method;
	BIO_METHOD *m = method;

	if (m != NULL)
		return m;
	m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "wire");
	if (m == NULL || !BIO_meth_set_read_ex(m, wire_bio_read) ||
	    !BIO_meth_set_write_ex(m, wire_bio_write) ||
	    !BIO_meth_set_ctrl(m, wire_bio_ctrl) ||
	    !BIO_meth_set_create(m, wire_bio_create))
		return NULL;
	method = m;
	return m;
}

int
tls_wire_init(struct tls_wire *w, size_t read_size, struct tls_tickets *tickets)
{
	*w = (struct tls_wire){
	    .in_size = read_size - 2 * RECORD_MAX,
	    .out_size = OUT_SIZE,
	    .tickets = tickets,
	};
	CHECK(read_size > 3 * RECORD_MAX);
	w->in = malloc(w->in_size);
	w->out = malloc(w->out_size);
	w->record = malloc(RECORD_MAX);
	if (w->in == NULL || w->out == NULL || w->record == NULL ||
	    wire_bio_method() == NULL) {
		tls_wire_fini(w);
		return -1;
	}
	return 0;
}

void
tls_wire_fini(struct tls_wire *w)
{
	free(w->in);
	free(w->out);
	free(w->record);
	*w = (struct tls_wire){0};
}

static struct tls *
tls_new(struct tls_wire *w, SSL *ssl)
{
	struct tls *t = calloc(1, sizeof *t);
	BIO *bio = BIO_new(wire_bio_method());

	if (t == NULL || bio == NULL || ssl == NULL) {
		free(t);
		BIO_free(bio);
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	t->magic = TLS_MAGIC;
	t->wire = w;
	t->ssl = ssl;
	t->reason = "";
	BIO_set_data(bio, w);
	SSL_set_bio(ssl, bio, bio);
	return t;
}

struct tls *
tls_accept(struct tls_wire *w, struct tls_server *s)
{
	struct tls *t = tls_new(w, tls_server_ssl(s));

	if (t == NULL)
		return NULL;
	t->server = tls_server_hold(s);
	SSL_set_app_data(t->ssl, w); /* for its tickets */
	SSL_set_accept_state(t->ssl);
	return t;
}

struct tls *
tls_connect(struct tls_wire *w, struct tls_client *c,
    const struct address *address, struct pod_slot *slot)
{
	struct tls *t = tls_new(w, tls_client_ssl(c, address, slot));

	if (t != NULL)
		SSL_set_connect_state(t->ssl);
	return t;
}

void
tls_free(struct tls *t)
{
	CHECK_OBJ(t, TLS_MAGIC);
	t->magic = 0;
	SSL_free(t->ssl);
	tls_server_drop(t->server);
	fifo_free(&t->kept);
	free(t->subject);
	free(t);
}

bool
tls_keep(struct tls *t, struct span bytes)
{
	CHECK_OBJ(t, TLS_MAGIC);
	return bytes.n == 0 || fifo_append(&t->kept, bytes);
}

bool
tls_pending(const struct tls *t)
{
	CHECK_OBJ(t, TLS_MAGIC);
	return !fifo_empty(&t->kept) || t->state == TLS_ENDED ||
	       t->state == TLS_BROKEN;
}

const char *
tls_words(const SSL *ssl, unsigned long error)
{
	long verified = SSL_get_verify_result(ssl);

	if (verified != X509_V_OK &&
	    SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		return X509_verify_cert_error_string(verified);
	return ERR_reason_error_string(error);
}

static void
tls_break(struct tls *t, const char *otherwise)
{
	const char *words = tls_words(t->ssl, ERR_peek_last_error());

	t->state = TLS_BROKEN;
	t->reason = words != NULL ? words : otherwise;
	ERR_clear_error();
}

/*
 * The bytes to be used next: those kept, the new ones behind them. False
 * without memory.
 */
static bool
tls_feed(struct tls *t, struct span wire)
{
	if (!fifo_empty(&t->kept)) {
		if (!tls_keep(t, wire))
			return false;
		wire = fifo_span(&t->kept);
	}
	t->wire->fed = wire;
	return true;
}

/* What was fed and not used is kept. */
static bool
tls_unfeed(struct tls *t)
{
	struct span rest = t->wire->fed;

	t->wire->fed = SPAN_NONE;
	if (fifo_empty(&t->kept))
		return tls_keep(t, rest);
	fifo_consume(&t->kept, fifo_span(&t->kept).n - rest.n);
	return true;
}

static bool
note_subject(struct tls *t)
{
	X509 *peer = SSL_get0_peer_certificate(t->ssl);
	BIO *text = NULL;
	char *bytes;
	long n;
	bool ok = false;

	if (peer == NULL)
		return true;
	text = BIO_new(BIO_s_mem());
	if (text == NULL ||
	    X509_NAME_print_ex(
		text, X509_get_subject_name(peer), 0, XN_FLAG_RFC2253) < 0)
		goto done;
	n = BIO_get_mem_data(text, &bytes);
	t->subject = strndup(bytes, (size_t)n);
	ok = t->subject != NULL;
done:
	BIO_free(text);
	return ok;
}

enum tls_progress
tls_handshake(struct tls *t, struct span wire)
{
	int r, error;

	CHECK_OBJ(t, TLS_MAGIC);
	if (t->state != TLS_SHAKING || !tls_feed(t, wire))
		return TLS_FAILED;
	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, r);
	if (!tls_unfeed(t))
		error = SSL_ERROR_SYSCALL;
	if (error == SSL_ERROR_WANT_READ)
		return TLS_MORE;
	if (error != SSL_ERROR_NONE ||
	    (t->server != NULL && tls_server_asks(t->server) &&
		!note_subject(t))) {
		tls_break(t, "the handshake was broken off");
		return TLS_FAILED;
	}
	t->state = TLS_OPEN;
	return TLS_DONE;
}

/* Decrypts all that was fed, as far as there is room. */
static size_t
read_records(struct tls *t, char *buf, size_t size)
{
	size_t got = 0, n;
	int error;

	ERR_clear_error();
	while (got < size) {
		n = 0;
		if (SSL_read_ex(t->ssl, buf + got, size - got, &n)) {
			got += n;
			continue;
		}
		error = SSL_get_error(t->ssl, 0);
		if (error == SSL_ERROR_ZERO_RETURN)
			t->state = TLS_ENDED;
		else if (error != SSL_ERROR_WANT_READ)
			tls_break(t, "the connection was broken off");
		break;
	}
	return got;
}

int64_t
tls_read(struct tls *t, struct span wire, char *buf, size_t size)
{
	size_t n = 0;

	CHECK_OBJ(t, TLS_MAGIC);
	if (t->state == TLS_OPEN) {
		if (!tls_feed(t, wire))
			return -2;
		n = read_records(t, buf, size);
		if (!tls_unfeed(t))
			return -2;
	}
	if (n > 0)
		return (int64_t)n;
	return t->state == TLS_OPEN ? -1 : t->state == TLS_ENDED ? 0 : -2;
}

static void
skip(struct iovec **iov, int *n, size_t bytes)
{
	while (*n > 0 && bytes >= (*iov)->iov_len) {
		bytes -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
		(*iov)->iov_len -= bytes;
	}
}

/*
 * The text of the next record: a vector's own bytes when it fills one, else
 * small ones side by side.
 */
static struct span
next_record(struct tls_wire *w, struct iovec **iov, int *n, size_t most)
{
	size_t have = 0;

	skip(iov, n, 0);
	if (*n == 0)
		return SPAN_NONE;
	if ((*iov)->iov_len >= most || *n == 1) {
		struct span whole = {(*iov)->iov_base, (*iov)->iov_len};

		if (whole.n > most)
			whole.n = most;
		skip(iov, n, whole.n);
		return whole;
	}
	while (*n > 0 && have < most) {
		size_t piece = (*iov)->iov_len;

		if (piece > most - have)
			piece = most - have;
		memcpy(w->record + have, (*iov)->iov_base, piece);
		have += piece;
		skip(iov, n, piece);
	}
	return (struct span){w->record, have};
}

bool
tls_write(struct tls *t, struct iovec **iov, int *n)
{
	struct tls_wire *w = t->wire;

	CHECK_OBJ(t, TLS_MAGIC);
	if (t->state == TLS_BROKEN || t->end_sent)
		return false;
	while (*n > 0 && w->out_size - w->out_n >= RECORD_MAX + RECORD_GROWTH) {
		bool first = t->sent < FIRST_BYTES;
		struct span text =
		    next_record(w, iov, n, first ? RECORD_FIRST : RECORD_MAX);
		size_t done = 0;

		if (text.n == 0)
			break;
		ERR_clear_error();
		if (!SSL_write_ex(t->ssl, text.p, text.n, &done)) {
			tls_break(t, "writing failed");
			return false;
		}
		CHECK(done == text.n);
		if (first)
			t->sent += (uint32_t)done;
	}
	return true;
}

void
tls_end(struct tls *t)
{
	CHECK_OBJ(t, TLS_MAGIC);
	if (t->end_sent || t->state == TLS_SHAKING || t->state == TLS_BROKEN)
		return;
	t->end_sent = true;
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

bool
tls_speaks_h2(const struct tls *t)
{
	const unsigned char *name;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

const char *
tls_subject(const struct tls *t)
{
	return t->subject != NULL ? t->subject : "";
}

const char *
tls_reason(const struct tls *t)
{
	return t->reason;
}
