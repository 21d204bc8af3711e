/*
 * Keys, certificates and their files for tests, all made on the spot in a
 * folder of the test's own. What cannot be made fails a CHECK.
 */
#ifndef TESTS_UNIT_CONF_MAKE_CERTIFICATE_H
#define TESTS_UNIT_CONF_MAKE_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/check.h"

#define MAKE_PATH_MAX 256

/* What a certificate says, and who signs it: issuer NULL = itself. */
struct make_recipe {
	const char *cn;	   /* or NULL */
	const char *names; /* "DNS:a.example.com,IP:127.0.0.1", or NULL */
	time_t from, to;
	long serial;
	bool authority;
	EVP_PKEY *key;
	X509 *issuer;
	EVP_PKEY *issuer_key;
};

static char make_folder[MAKE_PATH_MAX];

static inline void
make_folder_new(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(make_folder, sizeof make_folder, "%s/shunt-test-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	CHECK(mkdtemp(make_folder) != NULL);
}

/* A static buffer, good until the next call. */
static inline const char *
make_path(const char *name)
{
	static char path[2 * MAKE_PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", make_folder, name);
	return path;
}

/* Removes the folder and the files that are named, NULL at the end. */
static inline void
make_folder_free(const char *const *names)
{
	for (; *names != NULL; names++)
		unlink(make_path(*names));
	CHECK(rmdir(make_folder) == 0);
}

static inline FILE *
make_file(const char *name)
{
	FILE *f = fopen(make_path(name), "we");

	CHECK(f != NULL);
	return f;
}

static inline void
make_bytes(const char *name, const void *bytes, size_t n)
{
	FILE *f = make_file(name);

	CHECK(fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

/* Either certificate, and the key, may be NULL. */
static inline void
make_pem(const char *name, X509 *first, X509 *second, EVP_PKEY *key)
{
	FILE *f = make_file(name);

	CHECK(first == NULL || PEM_write_X509(f, first) == 1);
	CHECK(second == NULL || PEM_write_X509(f, second) == 1);
	CHECK(key == NULL ||
	      PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	CHECK(fclose(f) == 0);
}

static inline EVP_PKEY *
make_ec_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	CHECK(key != NULL);
	return key;
}

static inline EVP_PKEY *
make_rsa_key(unsigned bits)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);

	CHECK(key != NULL);
	return key;
}

static inline void
make_extension(X509 *x, int nid, const char *text)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, text);

	CHECK(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static inline X509 *
make_certificate(const struct make_recipe *r)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	EVP_PKEY *signer = r->issuer != NULL ? r->issuer_key : r->key;
	const EVP_MD *md = EVP_sha256();

	CHECK(X509_set_version(x, X509_VERSION_3) == 1);
	CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), r->serial) == 1);
	CHECK(ASN1_TIME_set(X509_getm_notBefore(x), r->from) != NULL);
	CHECK(ASN1_TIME_set(X509_getm_notAfter(x), r->to) != NULL);
	if (r->cn != NULL)
		CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			  (const unsigned char *)r->cn, -1, -1, 0) == 1);
	CHECK(X509_set_issuer_name(x, r->issuer != NULL
					  ? X509_get_subject_name(r->issuer)
					  : name) == 1);
	CHECK(X509_set_pubkey(x, r->key) == 1);
	if (r->names != NULL)
		make_extension(x, NID_subject_alt_name, r->names);
	if (r->authority)
		make_extension(x, NID_basic_constraints, "critical,CA:TRUE");
	if (EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519)
		md = NULL;
	CHECK(X509_sign(x, signer, md) > 0);
	return x;
}

#endif
