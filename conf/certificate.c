/* Certificates, keys, OCSP responses and authorities, checked before use. */
#include "conf/certificate.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "conf/pem.h"

#define CERTIFICATE_MAGIC 0xce271f1cu
#define TRUST_MAGIC	  0x72057001u

struct certificate {
	unsigned magic;
	_Atomic unsigned holders;
	struct stack_st_X509 *issuers;
	X509 *leaf;
	EVP_PKEY *key;
	unsigned char *ocsp; /* or NULL */
	size_t ocsp_len;
	int64_t ocsp_until;
	char **names; /* nnames of them */
	size_t nnames;
};

struct trust {
	unsigned magic;
	_Atomic unsigned holders;
	X509_STORE *store;
	struct stack_st_X509 *authorities;
};

/* NULL: a kind of key that is of no use here. */
static const char *
key_kind(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return "RSA";
	case EVP_PKEY_EC:
		return "ECDSA";
	default:
		return NULL;
	}
}

/* Seconds since 1970; false for what is no time. */
static bool
seconds_of(const ASN1_TIME *t, int64_t *s)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*s = timegm(&tm);
	return true;
}

static void
format_time(int64_t s, char buf[32])
{
	time_t t = s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(buf, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(buf, 32, "an unknown time");
}

/* last may be NULL: no end. */
static bool
check_times(const ASN1_TIME *first, const ASN1_TIME *last, int64_t now_s,
    char *why, size_t why_size)
{
	int64_t from, to = INT64_MAX;
	char text[32];

	if (!seconds_of(first, &from) ||
	    (last != NULL && !seconds_of(last, &to))) {
		snprintf(why, why_size, "its dates cannot be read");
		return false;
	}
	if (now_s >= from && now_s <= to)
		return true;
	format_time(now_s < from ? from : to, text);
	snprintf(why, why_size,
	    now_s < from ? "not valid before %s" : "expired on %s", text);
	return false;
}

static bool
check_pair(const struct certificate *c, char *why, size_t why_size)
{
	if (X509_check_private_key(c->leaf, c->key) == 1)
		return true;
	for (int i = 0; i < sk_X509_num(c->issuers); i++) {
		if (X509_check_private_key(
			sk_X509_value(c->issuers, i), c->key) == 1) {
			snprintf(why, why_size,
			    "the key belongs to certificate %d of the "
			    "certificate's file: it has to be the first there",
			    i + 2);
			ERR_clear_error();
			return false;
		}
	}
	snprintf(why, why_size,
	    "expected the key of this certificate, found another one's");
	ERR_clear_error();
	return false;
}

/* What OpenSSL will not use: too small a key, too weak a signature. */
static bool
check_strength(const struct certificate *c, char *why, size_t why_size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	int at = 0, n = sk_X509_num(c->issuers);
	bool good;

	ERR_clear_error();
	good = ctx != NULL && SSL_CTX_use_certificate(ctx, c->leaf) == 1;
	for (; good && at < n; at++)
		good = SSL_CTX_add1_chain_cert(
			   ctx, sk_X509_value(c->issuers, at)) == 1;
	SSL_CTX_free(ctx);
	if (good)
		return true;
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_EE_KEY_TOO_SMALL)
		snprintf(why, why_size, "its key is too small: %s of %d bits",
		    certificate_kind(c), EVP_PKEY_get_bits(c->key));
	else
		snprintf(why, why_size,
		    "certificate %d of the file is of no use: %s", at + 1,
		    pem_reason());
	ERR_clear_error();
	return false;
}

/* Keeps a copy of what looks like a host's name; false without memory. */
static bool
add_name(struct certificate *c, const ASN1_STRING *text)
{
	const unsigned char *p = ASN1_STRING_get0_data(text);
	size_t n = (size_t)ASN1_STRING_length(text);
	char **names, *name;

	for (size_t i = 0; i < n; i++)
		if (!isalnum(p[i]) && (p[i] == 0 || !strchr("*-_.", p[i])))
			return true;
	if (n == 0)
		return true;
	names = reallocarray(c->names, c->nnames + 1, sizeof *names);
	if (names == NULL)
		return false;
	c->names = names;
	name = strndup((const char *)p, n);
	if (name == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		name[i] = (char)tolower((unsigned char)name[i]);
	c->names[c->nnames++] = name;
	return true;
}

static bool
add_common_name(struct certificate *c)
{
	const X509_NAME *subject = X509_get_subject_name(c->leaf);
	int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	return i < 0 || add_name(c, X509_NAME_ENTRY_get_data(
					X509_NAME_get_entry(subject, i)));
}

static bool
add_names(struct certificate *c, char *why, size_t why_size)
{
	int critical;
	GENERAL_NAMES *all =
	    X509_get_ext_d2i(c->leaf, NID_subject_alt_name, &critical, NULL);
	bool good = true;

	snprintf(why, why_size, "out of memory");
	if (all == NULL && critical == -1)
		return add_common_name(c);
	if (all == NULL) {
		snprintf(why, why_size,
		    "its alternative names cannot be read: %s", pem_reason());
		return false;
	}
	for (int i = 0; good && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type == GEN_DNS)
			good = add_name(c, g->d.dNSName);
	}
	GENERAL_NAMES_free(all);
	return good;
}

static bool
load_chain(struct certificate *c, const char *path, int64_t now_s, char *why,
    size_t why_size)
{
	c->issuers = pem_certificates(path, why, why_size);
	if (c->issuers == NULL)
		return false;
	c->leaf = sk_X509_shift(c->issuers);
	return check_times(X509_get0_notBefore(c->leaf),
		   X509_get0_notAfter(c->leaf), now_s, why, why_size) &&
	       add_names(c, why, why_size);
}

static bool
load_key(struct certificate *c, const char *path, char *why, size_t why_size)
{
	c->key = pem_key(path, why, why_size);
	if (c->key == NULL)
		return false;
	if (key_kind(c->key) != NULL)
		return check_pair(c, why, why_size);
	snprintf(why, why_size, "expected an RSA or ECDSA key, found %s",
	    OBJ_nid2sn(EVP_PKEY_get_base_id(c->key)));
	return false;
}

/* Whether the response speaks of this certificate. */
static bool
same_certificate(const struct certificate *c, OCSP_SINGLERESP *one)
{
	/* OpenSSL reads from it only, but asks for more */
	OCSP_CERTID *id = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(one), *ours;
	ASN1_OCTET_STRING *name;
	ASN1_OBJECT *hash;
	ASN1_INTEGER *serial;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	const EVP_MD *md;
	X509 *issuer = sk_X509_value(c->issuers, 0);
	bool same;

	OCSP_id_get0_info(&name, &hash, NULL, &serial, id);
	md = EVP_get_digestbyobj(hash);
	if (md == NULL ||
	    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(c->leaf)) != 0)
		return false;
	if (issuer == NULL || X509_check_issued(issuer, c->leaf) != X509_V_OK)
		return X509_NAME_digest(X509_get_issuer_name(c->leaf), md,
			   digest, &n) == 1 &&
		       (int)n == ASN1_STRING_length(name) &&
		       memcmp(digest, ASN1_STRING_get0_data(name), n) == 0;
	ours = OCSP_cert_to_id(md, c->leaf, issuer);
	same = ours != NULL && OCSP_id_cmp(ours, id) == 0;
	OCSP_CERTID_free(ours);
	return same;
}

static bool
check_single(struct certificate *c, OCSP_BASICRESP *basic, int64_t now_s,
    char *why, size_t why_size)
{
	OCSP_SINGLERESP *one = OCSP_resp_get0(basic, 0);
	ASN1_GENERALIZEDTIME *revoked, *from, *to;
	int n = OCSP_resp_count(basic), reason, status;

	if (n != 1 || !same_certificate(c, one)) {
		snprintf(why, why_size,
		    n != 1 ? "expected a response about one certificate, "
			     "found %d"
			   : "expected a response about this certificate, "
			     "found one about another",
		    n);
		return false;
	}
	status = OCSP_single_get0_status(one, &reason, &revoked, &from, &to);
	if (status != V_OCSP_CERTSTATUS_GOOD) {
		snprintf(why, why_size, "expected the status good, found %s",
		    OCSP_cert_status_str(status));
		return false;
	}
	c->ocsp_until = INT64_MAX;
	if (!check_times(from, to, now_s, why, why_size))
		return false;
	return to == NULL || seconds_of(to, &c->ocsp_until);
}

static bool
check_response(struct certificate *c, int64_t now_s, char *why, size_t why_size)
{
	const unsigned char *p = c->ocsp;
	OCSP_RESPONSE *all = d2i_OCSP_RESPONSE(NULL, &p, (long)c->ocsp_len);
	OCSP_BASICRESP *basic = NULL;
	bool good = false;
	char found[96];

	if (all == NULL || p != c->ocsp + c->ocsp_len) {
		struct span bytes = {(const char *)c->ocsp, c->ocsp_len};

		snprintf(why, why_size,
		    "expected an OCSP response in DER, found %s",
		    bytes.n > 0 && bytes.p[0] == '0'
			? "other DER"
			: pem_describe(bytes, found, sizeof found));
	} else if (OCSP_response_status(all) !=
		   OCSP_RESPONSE_STATUS_SUCCESSFUL) {
		snprintf(why, why_size,
		    "expected a successful OCSP response, found %s",
		    OCSP_response_status_str(OCSP_response_status(all)));
	} else if ((basic = OCSP_response_get1_basic(all)) == NULL) {
		snprintf(why, why_size, "the OCSP response is damaged: %s",
		    pem_reason());
	} else {
		good = check_single(c, basic, now_s, why, why_size);
	}
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(all);
	ERR_clear_error();
	return good;
}

static bool
load_ocsp(struct certificate *c, const char *path, int64_t now_s, char *why,
    size_t why_size)
{
	BIO *in = pem_open(path, why, why_size);
	struct span bytes;

	if (in == NULL)
		return false;
	bytes = pem_bytes(in);
	c->ocsp = malloc(bytes.n + 1);
	if (c->ocsp == NULL) {
		snprintf(why, why_size, "out of memory");
	} else {
		if (bytes.n > 0)
			memcpy(c->ocsp, bytes.p, bytes.n);
		c->ocsp_len = bytes.n;
	}
	BIO_free(in);
	return c->ocsp != NULL && check_response(c, now_s, why, why_size);
}

static bool
load_all(struct certificate *c, const char *const paths[CERTIFICATE_FILES],
    int64_t now_s, enum certificate_file *at, char *why, size_t why_size)
{
	*at = CERTIFICATE_CHAIN;
	if (!load_chain(c, paths[CERTIFICATE_CHAIN], now_s, why, why_size))
		return false;
	*at = CERTIFICATE_KEY;
	if (!load_key(c, paths[CERTIFICATE_KEY], why, why_size))
		return false;
	*at = CERTIFICATE_CHAIN;
	if (!check_strength(c, why, why_size))
		return false;
	*at = CERTIFICATE_OCSP;
	return paths[CERTIFICATE_OCSP] == NULL ||
	       load_ocsp(c, paths[CERTIFICATE_OCSP], now_s, why, why_size);
}

struct certificate *
certificate_load(const char *const paths[CERTIFICATE_FILES], int64_t now_s,
    enum certificate_file *at_fault, char *why, size_t why_size)
{
	struct certificate *c = calloc(1, sizeof *c);

	*at_fault = CERTIFICATE_CHAIN;
	if (c == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	c->magic = CERTIFICATE_MAGIC;
	c->holders = 1;
	if (load_all(c, paths, now_s, at_fault, why, why_size))
		return c;
	certificate_drop(c);
	return NULL;
}

struct certificate *
certificate_hold(struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	atomic_fetch_add_explicit(&c->holders, 1, memory_order_relaxed);
	return c;
}

void
certificate_drop(struct certificate *c)
{
	if (c == NULL)
		return;
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	if (atomic_fetch_sub_explicit(&c->holders, 1, memory_order_acq_rel) !=
	    1)
		return;
	c->magic = 0;
	sk_X509_pop_free(c->issuers, X509_free);
	X509_free(c->leaf);
	EVP_PKEY_free(c->key);
	for (size_t i = 0; i < c->nnames; i++)
		free(c->names[i]);
	free(c->names);
	free(c->ocsp);
	free(c);
}

struct x509_st *
certificate_leaf(const struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return c->leaf;
}

struct evp_pkey_st *
certificate_key(const struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return c->key;
}

struct stack_st_X509 *
certificate_issuers(const struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return c->issuers;
}

const char *
certificate_kind(const struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return key_kind(c->key);
}

struct span
certificate_ocsp(const struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return (struct span){(const char *)c->ocsp, c->ocsp_len};
}

int64_t
certificate_ocsp_until(const struct certificate *c)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return c->ocsp_until;
}

struct span
certificate_name(const struct certificate *c, size_t i)
{
	CHECK_OBJ(c, CERTIFICATE_MAGIC);
	return i < c->nnames ? span_of(c->names[i]) : SPAN_NONE;
}

/* False with the reason in why. */
static bool
fill_trust(struct trust *t, const char *path, char *why, size_t why_size)
{
	if (path == NULL) {
		t->authorities = sk_X509_new_null();
		return t->authorities != NULL &&
		       X509_STORE_set_default_paths(t->store) == 1;
	}
	t->authorities = pem_certificates(path, why, why_size);
	if (t->authorities == NULL)
		return false;
	for (int i = 0; i < sk_X509_num(t->authorities); i++)
		if (X509_STORE_add_cert(
			t->store, sk_X509_value(t->authorities, i)) != 1)
			return false;
	/* whoever is named is trusted, with or without whom he got it from */
	X509_STORE_set_flags(t->store, X509_V_FLAG_PARTIAL_CHAIN);
	return true;
}

struct trust *
trust_load(const char *path, char *why, size_t why_size)
{
	struct trust *t = calloc(1, sizeof *t);

	snprintf(why, why_size, "out of memory");
	if (t == NULL)
		return NULL;
	t->magic = TRUST_MAGIC;
	t->holders = 1;
	t->store = X509_STORE_new();
	if (t->store != NULL && fill_trust(t, path, why, why_size))
		return t;
	ERR_clear_error();
	trust_drop(t);
	return NULL;
}

struct trust *
trust_hold(struct trust *t)
{
	CHECK_OBJ(t, TRUST_MAGIC);
	atomic_fetch_add_explicit(&t->holders, 1, memory_order_relaxed);
	return t;
}

void
trust_drop(struct trust *t)
{
	if (t == NULL)
		return;
	CHECK_OBJ(t, TRUST_MAGIC);
	if (atomic_fetch_sub_explicit(&t->holders, 1, memory_order_acq_rel) !=
	    1)
		return;
	t->magic = 0;
	sk_X509_pop_free(t->authorities, X509_free);
	X509_STORE_free(t->store);
	free(t);
}

struct x509_store_st *
trust_store(const struct trust *t)
{
	CHECK_OBJ(t, TRUST_MAGIC);
	return t->store;
}

struct stack_st_X509 *
trust_authorities(const struct trust *t)
{
	CHECK_OBJ(t, TRUST_MAGIC);
	return t->authorities;
}
