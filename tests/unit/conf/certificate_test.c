/*
 * Certificates and authorities made by the test: what is taken, what is
 * refused, which file is blamed and with what words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/ocsp.h>

#include "conf/certificate.h"
#include "conf/ciphers.h"
#include "conf/pod_trust.h"
#include "tests/unit/conf/make_certificate.h"

/* 2027-01-15 08:00:00 UTC */
#define NOW  1800000000
#define HOUR 3600

static EVP_PKEY *ca_key, *shop_key;
static X509 *ca, *shop;

static const char *const files[] = {"ca.crt", "shop.crt", "shop.key",
    "leaf.crt", "cn.crt", "rsa.key", "ip.crt", "old.crt", "young.crt",
    "reversed.crt", "locked.key", "der.crt", "empty", "text", "damaged.crt",
    "damaged.key", "small.crt", "small.key", "ed.crt", "ed.key", "both.pem",
    "params.key", "fifo", "good.ocsp", "endless.ocsp", "other.ocsp", "two.ocsp",
    "expired.ocsp", "early.ocsp", "revoked.ocsp", "later.ocsp", "longer.ocsp",
    NULL};

static void
make_shop(void)
{
	struct make_recipe r = {
	    .cn = "Test CA",
	    .from = NOW - HOUR,
	    .to = NOW + HOUR,
	    .serial = 1,
	    .authority = true,
	};

	r.key = ca_key = make_ec_key();
	ca = make_certificate(&r);
	r.authority = false;
	r.issuer = ca;
	r.issuer_key = ca_key;
	r.key = shop_key = make_ec_key();
	r.cn = "unused.example.com";
	r.names = "DNS:Shop.Example.com,IP:127.0.0.1,DNS:*.shop.example.com";
	r.serial = 7;
	shop = make_certificate(&r);
	make_pem("ca.crt", ca, NULL, NULL);
	make_pem("shop.crt", shop, ca, NULL);
	make_pem("leaf.crt", shop, NULL, NULL);
	make_pem("reversed.crt", ca, shop, NULL);
	make_pem("shop.key", NULL, NULL, shop_key);
	make_pem("both.pem", shop, ca, shop_key);
}

/* A certificate of its own key in NAME.crt. */
static void
make_own(const char *name, EVP_PKEY *key, const char *cn, const char *names,
    time_t from, time_t to)
{
	X509 *x = make_certificate(&(struct make_recipe){
	    .cn = cn,
	    .names = names,
	    .from = from,
	    .to = to,
	    .serial = 2,
	    .key = key,
	});

	make_pem(name, x, NULL, NULL);
	X509_free(x);
}

static void
make_others(void)
{
	EVP_PKEY *rsa = make_rsa_key(2048), *small = make_rsa_key(1024);
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	make_pem("rsa.key", NULL, NULL, rsa);
	make_pem("small.key", NULL, NULL, small);
	make_pem("ed.key", NULL, NULL, ed);
	make_own("cn.crt", rsa, "Only.Example.com", NULL, NOW, NOW);
	make_own("ip.crt", rsa, "cn.example.com", "IP:::1", NOW, NOW + 1);
	make_own("old.crt", rsa, "a", NULL, NOW - HOUR, NOW - 1);
	make_own("young.crt", rsa, "a", NULL, NOW + 1, NOW + HOUR);
	make_own("small.crt", small, "a", NULL, NOW, NOW);
	make_own("ed.crt", ed, "a", NULL, NOW, NOW);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small);
	EVP_PKEY_free(ed);
}

static void
make_odd_files(void)
{
	static const char text[] = "hello, world\n";
	static const char damaged[] = "-----BEGIN CERTIFICATE-----\n!!!!\n"
				      "-----END CERTIFICATE-----\n";
	static const char damaged_key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n"
					  "-----END PRIVATE KEY-----\n";
	static const char params[] = "-----BEGIN EC PARAMETERS-----\n"
				     "BggqhkjOPQMBBw==\n"
				     "-----END EC PARAMETERS-----\n";
	unsigned char *der = NULL;
	int n = i2d_X509(shop, &der);
	FILE *f;
	BIO *bio;

	CHECK(n > 0);
	make_bytes("der.crt", der, (size_t)n);
	OPENSSL_free(der);
	make_bytes("empty", "", 0);
	make_bytes("text", text, sizeof text - 1);
	make_bytes("damaged.crt", damaged, sizeof damaged - 1);
	make_bytes("damaged.key", damaged_key, sizeof damaged_key - 1);
	f = make_file("locked.key");
	CHECK(PEM_write_PrivateKey(f, shop_key, EVP_aes_128_cbc(),
		  (const unsigned char *)"secret", 6, NULL, NULL) == 1);
	CHECK(fclose(f) == 0);
	/* as `openssl ecparam -genkey` writes it */
	f = make_file("params.key");
	CHECK(fwrite(params, 1, sizeof params - 1, f) == sizeof params - 1);
	bio = BIO_new_fp(f, BIO_CLOSE);
	CHECK(PEM_write_bio_PrivateKey_traditional(
		  bio, shop_key, NULL, NULL, 0, NULL, NULL) == 1);
	BIO_free(bio);
	CHECK(mkfifo(make_path("fifo"), 0600) == 0);
}

/* Serial -1: the certificate of the shop. */
static void
add_single(
    OCSP_BASICRESP *basic, long serial, int status, time_t from, time_t to)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *first = ASN1_GENERALIZEDTIME_set(NULL, from);
	ASN1_TIME *last = to != 0 ? ASN1_GENERALIZEDTIME_set(NULL, to) : NULL;
	OCSP_CERTID *id;

	CHECK(ASN1_INTEGER_set(number, serial) == 1);
	id = serial == -1
		 ? OCSP_cert_to_id(EVP_sha1(), shop, ca)
		 : OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(ca),
		       X509_get0_pubkey_bitstr(ca), number);
	CHECK(OCSP_basic_add1_status(basic, id, status,
		  OCSP_REVOKED_STATUS_NOSTATUS, first, first, last) != NULL);
	OCSP_CERTID_free(id);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(first);
	ASN1_TIME_free(last);
}

/* Takes basic, which may be NULL; `more` bytes follow. */
static void
make_response(const char *name, OCSP_BASICRESP *basic, int status, size_t more)
{
	unsigned char *der = NULL, *longer;
	OCSP_RESPONSE *all;
	int n;

	if (basic != NULL)
		CHECK(OCSP_basic_sign(
			  basic, ca, ca_key, EVP_sha256(), NULL, 0) == 1);
	all = OCSP_response_create(status, basic);
	n = i2d_OCSP_RESPONSE(all, &der);
	CHECK(n > 0);
	longer = calloc(1, (size_t)n + more);
	CHECK(longer != NULL);
	memcpy(longer, der, (size_t)n);
	make_bytes(name, longer, (size_t)n + more);
	free(longer);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(all);
	OCSP_BASICRESP_free(basic);
}

static void
make_responses(void)
{
	const struct {
		const char *name;
		long serial;
		int status;
		time_t from, to;
		size_t more;
	} rows[] = {
	    {"good.ocsp", -1, V_OCSP_CERTSTATUS_GOOD, NOW, NOW + 9, 0},
	    {"endless.ocsp", -1, V_OCSP_CERTSTATUS_GOOD, NOW, 0, 0},
	    {"longer.ocsp", -1, V_OCSP_CERTSTATUS_GOOD, NOW, NOW, 1},
	    {"other.ocsp", 8, V_OCSP_CERTSTATUS_GOOD, NOW, NOW, 0},
	    {"expired.ocsp", -1, V_OCSP_CERTSTATUS_GOOD, NOW - 9, NOW - 1, 0},
	    {"early.ocsp", -1, V_OCSP_CERTSTATUS_GOOD, NOW + 1, NOW + 9, 0},
	    {"revoked.ocsp", -1, V_OCSP_CERTSTATUS_REVOKED, NOW, NOW, 0},
	};
	OCSP_BASICRESP *basic;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		basic = OCSP_BASICRESP_new();
		add_single(basic, rows[i].serial, rows[i].status, rows[i].from,
		    rows[i].to);
		make_response(rows[i].name, basic,
		    OCSP_RESPONSE_STATUS_SUCCESSFUL, rows[i].more);
	}
	basic = OCSP_BASICRESP_new();
	add_single(basic, -1, V_OCSP_CERTSTATUS_GOOD, NOW, NOW);
	add_single(basic, 8, V_OCSP_CERTSTATUS_GOOD, NOW, NOW);
	make_response("two.ocsp", basic, OCSP_RESPONSE_STATUS_SUCCESSFUL, 0);
	make_response("later.ocsp", NULL, OCSP_RESPONSE_STATUS_TRYLATER, 0);
}

static int
setup(void **state)
{
	(void)state;
	make_folder_new();
	make_shop();
	make_others();
	make_odd_files();
	make_responses();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	X509_free(ca);
	X509_free(shop);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(shop_key);
	make_folder_free(files);
	return 0;
}

static struct certificate *
load(const char *chain, const char *key, const char *ocsp,
    enum certificate_file *at, char *why, size_t why_size)
{
	const char *names[CERTIFICATE_FILES] = {chain, key, ocsp};
	char paths[CERTIFICATE_FILES][2 * MAKE_PATH_MAX];
	const char *given[CERTIFICATE_FILES] = {NULL};

	for (size_t i = 0; i < CERTIFICATE_FILES; i++) {
		if (names[i] == NULL)
			continue;
		snprintf(paths[i], sizeof paths[i], "%s", make_path(names[i]));
		given[i] = paths[i];
	}
	return certificate_load(given, NOW, at, why, why_size);
}

static struct certificate *
load_good(const char *chain, const char *key, const char *ocsp)
{
	enum certificate_file at;
	char why[512] = "";
	struct certificate *c = load(chain, key, ocsp, &at, why, sizeof why);

	if (c == NULL)
		fail_msg("%s %s: %s", chain, key, why);
	return c;
}

static void
assert_names(const struct certificate *c, const char *first, const char *second)
{
	const char *names[] = {first, second, NULL};

	for (size_t i = 0; i < 3; i++) {
		struct span name = certificate_name(c, i);

		if (names[i] == NULL) {
			assert_null(name.p);
			return;
		}
		assert_true(span_eq(name, span_of(names[i])));
	}
}

static void
test_good(void **state)
{
	struct certificate *c = load_good("shop.crt", "shop.key", NULL);

	(void)state;
	assert_int_equal(X509_cmp(certificate_leaf(c), shop), 0);
	assert_int_equal(EVP_PKEY_eq(certificate_key(c), shop_key), 1);
	assert_int_equal(sk_X509_num(certificate_issuers(c)), 1);
	assert_int_equal(
	    X509_cmp(sk_X509_value(certificate_issuers(c), 0), ca), 0);
	assert_int_equal(certificate_ocsp(c).n, 0);
	assert_string_equal(certificate_kind(c), "ECDSA");
	assert_names(c, "shop.example.com", "*.shop.example.com");
	assert_ptr_equal(certificate_hold(c), c);
	certificate_drop(c);
	assert_non_null(certificate_leaf(c));
	certificate_drop(c);
	certificate_drop(NULL);
}

/* The common name only where there are no alternative names at all. */
static void
test_names(void **state)
{
	struct certificate *c = load_good("cn.crt", "rsa.key", NULL);

	(void)state;
	assert_names(c, "only.example.com", NULL);
	assert_string_equal(certificate_kind(c), "RSA");
	assert_int_equal(sk_X509_num(certificate_issuers(c)), 0);
	certificate_drop(c);
	c = load_good("ip.crt", "rsa.key", NULL);
	assert_names(c, NULL, NULL);
	certificate_drop(c);
}

static void
test_other_layouts(void **state)
{
	(void)state;
	certificate_drop(load_good("both.pem", "both.pem", NULL));
	certificate_drop(load_good("leaf.crt", "params.key", NULL));
}

static void
test_ocsp(void **state)
{
	struct certificate *c = load_good("shop.crt", "shop.key", "good.ocsp");
	struct stat st;

	(void)state;
	assert_int_equal(stat(make_path("good.ocsp"), &st), 0);
	assert_int_equal(certificate_ocsp(c).n, st.st_size);
	assert_int_equal(certificate_ocsp_until(c), NOW + 9);
	certificate_drop(c);
	c = load_good("leaf.crt", "shop.key", "endless.ocsp");
	assert_true(certificate_ocsp_until(c) == INT64_MAX);
	certificate_drop(c);
}

static const struct {
	const char *chain, *key, *ocsp;
	enum certificate_file at;
	const char *why;  /* begins so */
	const char *path; /* and ends in this file's, unless NULL */
} refused[] = {
    {"none.crt", "shop.key", NULL, CERTIFICATE_CHAIN,
	"cannot read: No such file or directory: ", "none.crt"},
    {"shop.crt", "none.key", NULL, CERTIFICATE_KEY,
	"cannot read: No such file or directory: ", "none.key"},
    {"shop.crt", "shop.key", "none.ocsp", CERTIFICATE_OCSP,
	"cannot read: No such file or directory: ", "none.ocsp"},
    {"fifo", "shop.key", NULL, CERTIFICATE_CHAIN,
	"cannot read: not a regular file: ", "fifo"},
    {"", "shop.key", NULL, CERTIFICATE_CHAIN,
	"cannot read: not a regular file: ", ""},
    {"empty", "shop.key", NULL, CERTIFICATE_CHAIN,
	"expected \"-----BEGIN CERTIFICATE-----\", found an empty file", NULL},
    {"text", "shop.key", NULL, CERTIFICATE_CHAIN,
	"expected \"-----BEGIN CERTIFICATE-----\", found no PEM", NULL},
    {"der.crt", "shop.key", NULL, CERTIFICATE_CHAIN,
	"expected \"-----BEGIN CERTIFICATE-----\", found DER", NULL},
    {"shop.key", "shop.key", NULL, CERTIFICATE_CHAIN,
	"expected \"-----BEGIN CERTIFICATE-----\", found "
	"\"-----BEGIN PRIVATE KEY-----\"",
	NULL},
    {"damaged.crt", "shop.key", NULL, CERTIFICATE_CHAIN,
	"certificate 1 of the file is damaged: bad base64 decode", NULL},
    {"old.crt", "rsa.key", NULL, CERTIFICATE_CHAIN,
	"expired on 2027-01-15 07:59:59 UTC", NULL},
    {"young.crt", "rsa.key", NULL, CERTIFICATE_CHAIN,
	"not valid before 2027-01-15 08:00:01 UTC", NULL},
    {"small.crt", "small.key", NULL, CERTIFICATE_CHAIN,
	"its key is too small: RSA of 1024 bits", NULL},
    {"shop.crt", "shop.crt", NULL, CERTIFICATE_KEY,
	"expected \"-----BEGIN PRIVATE KEY-----\", found "
	"\"-----BEGIN CERTIFICATE-----\"",
	NULL},
    {"shop.crt", "empty", NULL, CERTIFICATE_KEY,
	"expected \"-----BEGIN PRIVATE KEY-----\", found an empty file", NULL},
    {"shop.crt", "damaged.key", NULL, CERTIFICATE_KEY,
	"the private key is damaged: ", NULL},
    {"shop.crt", "locked.key", NULL, CERTIFICATE_KEY,
	"the key needs a passphrase: expected one without", NULL},
    {"shop.crt", "rsa.key", NULL, CERTIFICATE_KEY,
	"expected the key of this certificate, found another one's", NULL},
    {"reversed.crt", "shop.key", NULL, CERTIFICATE_KEY,
	"the key belongs to certificate 2 of the certificate's file: it has "
	"to be the first there",
	NULL},
    {"ed.crt", "ed.key", NULL, CERTIFICATE_KEY,
	"expected an RSA or ECDSA key, found ED25519", NULL},
    {"shop.crt", "shop.key", "text", CERTIFICATE_OCSP,
	"expected an OCSP response in DER, found no PEM", NULL},
    {"shop.crt", "shop.key", "empty", CERTIFICATE_OCSP,
	"expected an OCSP response in DER, found an empty file", NULL},
    {"shop.crt", "shop.key", "der.crt", CERTIFICATE_OCSP,
	"expected an OCSP response in DER, found other DER", NULL},
    {"shop.crt", "shop.key", "longer.ocsp", CERTIFICATE_OCSP,
	"expected an OCSP response in DER, found other DER", NULL},
    {"shop.crt", "shop.key", "later.ocsp", CERTIFICATE_OCSP,
	"expected a successful OCSP response, found trylater", NULL},
    {"shop.crt", "shop.key", "two.ocsp", CERTIFICATE_OCSP,
	"expected a response about one certificate, found 2", NULL},
    {"shop.crt", "shop.key", "other.ocsp", CERTIFICATE_OCSP,
	"expected a response about this certificate, found one about another",
	NULL},
    {"leaf.crt", "shop.key", "other.ocsp", CERTIFICATE_OCSP,
	"expected a response about this certificate, found one about another",
	NULL},
    {"cn.crt", "rsa.key", "good.ocsp", CERTIFICATE_OCSP,
	"expected a response about this certificate, found one about another",
	NULL},
    {"shop.crt", "shop.key", "revoked.ocsp", CERTIFICATE_OCSP,
	"expected the status good, found revoked", NULL},
    {"shop.crt", "shop.key", "expired.ocsp", CERTIFICATE_OCSP,
	"expired on 2027-01-15 07:59:59 UTC", NULL},
    {"shop.crt", "shop.key", "early.ocsp", CERTIFICATE_OCSP,
	"not valid before 2027-01-15 08:00:01 UTC", NULL},
};

static void
test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		enum certificate_file at = CERTIFICATE_FILES;
		char why[600] = "", expected[600];
		size_t n;

		print_message("%s %s %s\n", refused[i].chain, refused[i].key,
		    refused[i].ocsp != NULL ? refused[i].ocsp : "");
		assert_null(load(refused[i].chain, refused[i].key,
		    refused[i].ocsp, &at, why, sizeof why));
		assert_int_equal(at, refused[i].at);
		snprintf(expected, sizeof expected, "%s%s", refused[i].why,
		    refused[i].path != NULL ? make_path(refused[i].path) : "");
		/* the words after a colon are OpenSSL's */
		n = strlen(expected);
		if (expected[n - 1] == ' ')
			why[n] = '\0';
		assert_string_equal(why, expected);
	}
}

static void
test_trust(void **state)
{
	char why[512] = "";
	struct trust *t = trust_load(make_path("shop.crt"), why, sizeof why);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	(void)state;
	assert_non_null(t);
	assert_int_equal(sk_X509_num(trust_authorities(t)), 2);
	assert_int_equal(
	    X509_STORE_CTX_init(ctx, trust_store(t), shop, NULL), 1);
	X509_STORE_CTX_set_time(ctx, 0, NOW);
	assert_int_equal(X509_verify_cert(ctx), 1);
	X509_STORE_CTX_free(ctx);
	assert_ptr_equal(trust_hold(t), t);
	trust_drop(t);
	trust_drop(t);
	trust_drop(NULL);
	t = trust_load(NULL, why, sizeof why);
	assert_non_null(t);
	assert_int_equal(sk_X509_num(trust_authorities(t)), 0);
	assert_non_null(trust_store(t));
	trust_drop(t);
}

/* A pod's own certificate may be all that is trusted, without its issuer. */
static void
test_pinned(void **state)
{
	char why[512] = "";
	struct trust *t = trust_load(make_path("leaf.crt"), why, sizeof why);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	(void)state;
	assert_int_equal(
	    X509_STORE_CTX_init(ctx, trust_store(t), shop, NULL), 1);
	X509_STORE_CTX_set_time(ctx, 0, NOW);
	assert_int_equal(X509_verify_cert(ctx), 1);
	X509_STORE_CTX_free(ctx);
	trust_drop(t);
}

static void
test_trust_refused(void **state)
{
	char why[512] = "";

	(void)state;
	assert_null(trust_load(make_path("shop.key"), why, sizeof why));
	assert_string_equal(why,
	    "expected \"-----BEGIN CERTIFICATE-----\", found "
	    "\"-----BEGIN PRIVATE KEY-----\"");
	assert_null(trust_load("/dev/zero", why, sizeof why));
	assert_string_equal(why, "cannot read: not a regular file: /dev/zero");
}

/* What is given in is let go with it, be it all or nothing. */
static void
test_pod_trust(void **state)
{
	char why[512] = "";
	struct pod_trust *p = pod_trust_new(
	    trust_load(make_path("ca.crt"), why, sizeof why),
	    strdup("shop.internal"), load_good("shop.crt", "shop.key", NULL));

	(void)state;
	assert_string_equal(p->name, "shop.internal");
	assert_non_null(p->trust);
	assert_non_null(p->own);
	assert_ptr_equal(pod_tls_hold(&p->base), &p->base);
	pod_tls_drop(&p->base);
	pod_tls_drop(&p->base);
	p = pod_trust_new(NULL, NULL, NULL);
	pod_tls_drop(&p->base);
}

static const struct {
	bool (*check)(const char *list, char *why, size_t why_size);
	const char *list, *why; /* NULL: good */
} ciphers[] = {
    {ciphers_check, "ECDHE-RSA-AES128-GCM-SHA256", NULL},
    {ciphers_check, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!RC4:-MD5", NULL},
    {ciphers_check, "HIGH, !aNULL @STRENGTH", NULL},
    {ciphers_check, "DEFAULT:@SECLEVEL=2", NULL},
    {ciphers_check, "", "expected ciphers, found none"},
    {ciphers_check, "!aNULL", "expected ciphers, found none"},
    {ciphers_check, "HIGH:!ALL", "expected ciphers, found none"},
    {ciphers_check, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES512-GCM",
	"no cipher is called \"ECDHE-RSA-AES512-GCM\""},
    {ciphers_check, "TLS_AES_128_GCM_SHA256",
	"no cipher is called \"TLS_AES_128_GCM_SHA256\""},
    {ciphersuites_check, "TLS_AES_128_GCM_SHA256", NULL},
    {ciphersuites_check, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", NULL},
    {ciphersuites_check, "", "expected ciphers, found none"},
    {ciphersuites_check, "TLS_AES_128_GCM_SHA256:HIGH",
	"no cipher is called \"HIGH\""},
    {ciphersuites_check, "ECDHE-RSA-AES128-GCM-SHA256",
	"no cipher is called \"ECDHE-RSA-AES128-GCM-SHA256\""},
};

static void
test_ciphers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
		char why[512] = "";
		bool good = ciphers[i].check(ciphers[i].list, why, sizeof why);

		print_message("%s\n", ciphers[i].list);
		assert_int_equal(good, ciphers[i].why == NULL);
		if (!good)
			assert_string_equal(why, ciphers[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_other_layouts),
	    cmocka_unit_test(test_ocsp),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_trust),
	    cmocka_unit_test(test_pinned),
	    cmocka_unit_test(test_trust_refused),
	    cmocka_unit_test(test_pod_trust),
	    cmocka_unit_test(test_ciphers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
