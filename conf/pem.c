/* Files into memory, and what OpenSSL reads from them in PEM. */
#include "conf/pem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

/* Bytes of a file; the bundles of whole systems have a quarter MiB. */
#define FILE_BYTES_MAX (4u << 20)

const char *
pem_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return text != NULL ? text : "for no reason that OpenSSL gives";
}

static int
open_file(const char *path, char *why, size_t why_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		snprintf(why, why_size, "cannot read: %s: %s", strerror(errno),
		    path);
	else if (!S_ISREG(st.st_mode))
		snprintf(
		    why, why_size, "cannot read: not a regular file: %s", path);
	else if (st.st_size > FILE_BYTES_MAX)
		snprintf(why, why_size, "cannot read: larger than %u MiB: %s",
		    FILE_BYTES_MAX >> 20, path);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

BIO *
pem_open(const char *path, char *why, size_t why_size)
{
	int fd = open_file(path, why, why_size);
	BIO *in = fd >= 0 ? BIO_new(BIO_s_mem()) : NULL;
	char buf[4096];
	ssize_t n = 0;

	if (fd >= 0 && in == NULL)
		snprintf(why, why_size, "out of memory");
	while (in != NULL && (n = read(fd, buf, sizeof buf)) > 0) {
		if (BIO_write(in, buf, (int)n) != n) {
			snprintf(why, why_size, "out of memory");
			break;
		}
	}
	if (n < 0)
		snprintf(why, why_size, "cannot read: %s: %s", strerror(errno),
		    path);
	OPENSSL_cleanse(buf, sizeof buf);
	if (fd >= 0)
		close(fd);
	if (n != 0) {
		BIO_free(in);
		return NULL;
	}
	if (in != NULL)
		BIO_set_mem_eof_return(in, 0);
	return in;
}

void
pem_close(BIO *in)
{
	BIO_free(in);
}

struct span
pem_bytes(BIO *in)
{
	char *p;
	long n = BIO_get_mem_data(in, &p);

	return (struct span){p, n > 0 ? (size_t)n : 0};
}

const char *
pem_describe(struct span bytes, char *buf, size_t size)
{
	const char *begin = span_find(bytes, SPAN("-----BEGIN ")), *end;
	struct span label = SPAN_NONE;

	if (begin != NULL) {
		begin += strlen("-----BEGIN ");
		label.p = begin;
		label.n = (size_t)(bytes.p + bytes.n - begin);
		end = span_find(label, SPAN("-----"));
		label.n = end != NULL ? (size_t)(end - begin) : 0;
	}
	for (size_t i = 0; i < label.n; i++)
		if (!isupper((unsigned char)label.p[i]) && label.p[i] != ' ')
			label.n = 0;
	if (label.n > 0)
		snprintf(buf, size, "\"-----BEGIN %.*s-----\"",
		    label.n > 40 ? 40 : (int)label.n, label.p);
	else if (bytes.n == 0)
		snprintf(buf, size, "an empty file");
	else if (bytes.p[0] == V_ASN1_SEQUENCE + V_ASN1_CONSTRUCTED)
		snprintf(buf, size, "DER");
	else
		snprintf(buf, size, "no PEM");
	return buf;
}

/* Nobody sits at a terminal; *asked says that somebody would have to. */
static int
refuse_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

/* Whether reading stopped because there was nothing more to read. */
static bool
pem_at_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM &&
	       ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

/* All certificates of a file, at least one, in its order. */
static struct stack_st_X509 *
parse_certificates(BIO *in, char *why, size_t why_size)
{
	struct stack_st_X509 *all = sk_X509_new_null();
	char found[96];
	bool asked;
	X509 *x;

	pem_describe(pem_bytes(in), found, sizeof found);
	ERR_clear_error();
	snprintf(why, why_size, "out of memory");
	if (all == NULL)
		return NULL;
	while ((x = PEM_read_bio_X509(in, NULL, refuse_passphrase, &asked)) !=
	       NULL)
		if (!sk_X509_push(all, x)) {
			X509_free(x);
			goto fail;
		}
	if (!pem_at_end())
		snprintf(why, why_size,
		    "certificate %d of the file is damaged: %s",
		    sk_X509_num(all) + 1, pem_reason());
	else if (sk_X509_num(all) == 0)
		snprintf(why, why_size,
		    "expected \"-----BEGIN CERTIFICATE-----\", found %s",
		    found);
	else
		return all;
fail:
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

struct stack_st_X509 *
pem_certificates(const char *path, char *why, size_t why_size)
{
	BIO *in = pem_open(path, why, why_size);
	struct stack_st_X509 *all = NULL;

	if (in != NULL)
		all = parse_certificates(in, why, why_size);
	BIO_free(in);
	ERR_clear_error();
	return all;
}

static EVP_PKEY *
parse_key(BIO *in, char *why, size_t why_size)
{
	struct span bytes = pem_bytes(in);
	bool there = span_find(bytes, SPAN("PRIVATE KEY-----")) != NULL;
	char found[96];
	bool asked = false;
	EVP_PKEY *key;

	pem_describe(bytes, found, sizeof found);
	ERR_clear_error();
	key = PEM_read_bio_PrivateKey(in, NULL, refuse_passphrase, &asked);
	if (key != NULL)
		return key;
	if (asked)
		snprintf(why, why_size,
		    "the key needs a passphrase: expected one without");
	else if (there)
		snprintf(why, why_size, "the private key is damaged: %s",
		    pem_reason());
	else
		snprintf(why, why_size,
		    "expected \"-----BEGIN PRIVATE KEY-----\", found %s",
		    found);
	return NULL;
}

EVP_PKEY *
pem_key(const char *path, char *why, size_t why_size)
{
	BIO *in = pem_open(path, why, why_size);
	EVP_PKEY *key = NULL;

	if (in != NULL)
		key = parse_key(in, why, why_size);
	BIO_free(in);
	ERR_clear_error();
	return key;
}
