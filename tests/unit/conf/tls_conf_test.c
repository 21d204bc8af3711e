/*
 * TLS in the config: what is read from the files it names, and every error
 * with its place. The files are made by the test, beside the config.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/certificate.h"
#include "conf/conf.h"
#include "conf/pod_trust.h"
#include "tests/unit/conf/make_certificate.h"

#define REST "services: {s: {versions: {v: {pods: []}}}}\n"
#define TOP  "listen: [{address: 127.0.0.1:80}]\n"
/* Line 2 is the tls of a listener. */
#define TLS(text) "listen:\n- {address: 127.0.0.1:80, tls: " text "}\n" REST
/* Line 3 is the rest of a service of two versions. */
#define LINKS(text, v1, v2)                                                    \
	TOP "services: {s: {versions: {v1: {pods: []" v1 "}, v2: {pods: []" v2 \
	    "}},\n" text "}}\n"
#define PEM_NAME "expected the name of a PEM file, found "

static const char *const files[] = {"shop.crt", "shop.key", "rsa.crt",
    "rsa.key", "other.crt", "other.key", "old.crt", NULL};

/* NAME.crt and NAME.key; the key is left to the caller. */
static void
make_pair(const char *name, EVP_PKEY *key, const char *names)
{
	const time_t now = time(NULL);
	char crt[32], pem[32];
	X509 *x = make_certificate(&(struct make_recipe){
	    .names = names,
	    .from = now - 86400,
	    .to = now + 86400,
	    .serial = 1,
	    .key = key,
	});

	snprintf(crt, sizeof crt, "%s.crt", name);
	snprintf(pem, sizeof pem, "%s.key", name);
	make_pem(crt, x, NULL, NULL);
	make_pem(pem, NULL, NULL, key);
	X509_free(x);
}

static int
setup(void **state)
{
	EVP_PKEY *keys[] = {make_ec_key(), make_rsa_key(2048), make_ec_key()};
	X509 *old = make_certificate(&(struct make_recipe){
	    .from = 0, .to = 86400, .serial = 2, .key = keys[0]});

	(void)state;
	make_folder_new();
	make_pair("shop", keys[0], "DNS:shop.example.com");
	make_pair("rsa", keys[1], "DNS:shop.example.com,DNS:b.example.com");
	make_pair("other", keys[2], "DNS:*.b.example.com,DNS:SHOP.example.com");
	make_pem("old.crt", old, NULL, NULL);
	X509_free(old);
	for (size_t i = 0; i < 3; i++)
		EVP_PKEY_free(keys[i]);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	make_folder_free(files);
	return 0;
}

static struct conf *
parse(const char *text, struct conf_errors *errors)
{
	char name[2 * MAKE_PATH_MAX];

	snprintf(name, sizeof name, "%s", make_path("f"));
	return conf_parse(name, text, strlen(text), errors);
}

static struct conf *
parse_good(const char *text)
{
	struct conf_errors errors;
	struct conf *c = parse(text, &errors);

	for (size_t i = 0; i < errors.n; i++)
		print_message("%s\n", errors.lines[i]);
	assert_non_null(c);
	conf_errors_free(&errors);
	return c;
}

static void
test_listeners(void **state)
{
	struct conf *c = parse_good(
	    "listen:\n"
	    "- {address: 127.0.0.1:1, hsts: 365d,\n"
	    "   tls: {certificate: shop.crt, key: shop.key}}\n"
	    "- address: 127.0.0.1:2\n"
	    "  hsts: {max_age: 10s, include_subdomains: true, preload: true}\n"
	    "  tls: [{certificate: shop.crt, key: shop.key},\n"
	    "        {certificate: rsa.crt, key: rsa.key}]\n"
	    "- address: 127.0.0.1:3\n"
	    "  hsts: {max_age: 0s}\n"
	    "  tls: {certificates: [{certificate: rsa.crt, key: rsa.key}],\n"
	    "        min_version: 1.3, ciphers: HIGH,\n"
	    "        ciphersuites: TLS_AES_128_GCM_SHA256,\n"
	    "        client_ca: shop.crt, client_certificate: optional}\n"
	    "- {address: 127.0.0.1:80, redirect: https}\n" REST);
	const struct listen_settings *l = c->settings.listeners;

	(void)state;
	assert_string_equal(l[0].hsts, "max-age=31536000");
	assert_int_equal(l[0].tls->ncertificates, 1);
	assert_string_equal(
	    certificate_kind(l[0].tls->certificates[0]), "ECDSA");
	assert_int_equal(l[0].tls->min_version, TLS_VERSION_1_2);
	assert_null(l[0].tls->client_ca);
	assert_false(l[0].tls->client_optional);
	assert_null(l[0].tls->ciphers);
	assert_null(l[0].tls->ciphersuites);
	assert_string_equal(
	    l[1].hsts, "max-age=10; includeSubDomains; preload");
	assert_int_equal(l[1].tls->ncertificates, 2);
	assert_string_equal(certificate_kind(l[1].tls->certificates[1]), "RSA");
	assert_string_equal(l[2].hsts, "max-age=0");
	assert_int_equal(l[2].tls->ncertificates, 1);
	assert_int_equal(l[2].tls->min_version, TLS_VERSION_1_3);
	assert_string_equal(l[2].tls->ciphers, "HIGH");
	assert_string_equal(l[2].tls->ciphersuites, "TLS_AES_128_GCM_SHA256");
	assert_non_null(l[2].tls->client_ca);
	assert_true(l[2].tls->client_optional);
	assert_null(l[3].tls);
	assert_null(l[3].hsts);
	assert_int_equal(l[3].redirect_port, 443);
	conf_free(c);
}

static const struct pod_trust *
trust_of(const struct version_spec *v)
{
	assert_non_null(v->tls);
	return (const struct pod_trust *)v->tls;
}

static void
test_links(void **state)
{
	struct conf *c =
	    parse_good(LINKS("protocol: h2, tls: {ca: shop.crt, "
			     "name: shop.internal, certificate: rsa.crt, key: "
			     "rsa.key}",
		"", ", protocol: h1, tls: {verify: false}"));
	const struct version_spec *v = c->spec->services[0].versions;

	(void)state;
	assert_int_equal(v[0].protocol, POD_H2);
	assert_string_equal(trust_of(&v[0])->name, "shop.internal");
	assert_non_null(trust_of(&v[0])->trust);
	assert_string_equal(certificate_kind(trust_of(&v[0])->own), "RSA");
	assert_int_equal(v[1].protocol, POD_HTTP1);
	assert_null(trust_of(&v[1])->name);
	assert_null(trust_of(&v[1])->trust);
	assert_null(trust_of(&v[1])->own);
	conf_free(c);
}

/* Each key of a version replaces the service's, the other one stays. */
static void
test_links_inherit(void **state)
{
	struct conf *c = parse_good(
	    LINKS("tls: {name: a}", ", protocol: h2", ", tls: {name: b}"));
	const struct version_spec *v = c->spec->services[0].versions;

	(void)state;
	assert_int_equal(v[0].protocol, POD_H2);
	assert_string_equal(trust_of(&v[0])->name, "a");
	assert_int_equal(v[1].protocol, POD_HTTP1);
	assert_string_equal(trust_of(&v[1])->name, "b");
	conf_free(c);
}

static void
test_links_defaults(void **state)
{
	struct conf *c =
	    parse_good(LINKS("protocol: h2", "", ", protocol: h2c"));
	const struct version_spec *v = c->spec->services[0].versions;

	(void)state;
	assert_int_equal(v[0].protocol, POD_H2);
	assert_non_null(trust_of(&v[0])->trust);
	assert_null(trust_of(&v[0])->name);
	assert_null(trust_of(&v[0])->own);
	assert_int_equal(v[1].protocol, POD_H2C);
	assert_null(v[1].tls);
	conf_free(c);
}

struct row {
	const char *text;
	const char *lines; /* without the file; a # is the folder */
};

/* clang-format off */
static const struct row listeners[] = {
    {TLS("a.crt"), "2:32: expected a map with certificate and key, or a list "
		   "of such maps, found a string\n"},
    {TLS("[]"), "2:32: expected at least one certificate\n"},
    {TLS("{}"), "2:32: missing key \"certificate\"\n"
		"2:32: missing key \"key\"\n"},
    {TLS("{certficate: a, key: b}"),
	"2:33: unknown key \"certficate\", did you mean \"certificate\"?\n"},
    {TLS("{certificate: shop.crt}"), "2:32: missing key \"key\"\n"},
    {TLS("{key: shop.key, ocsp: x}"), "2:32: missing key \"certificate\"\n"},
    {TLS("[{certificate: shop.crt}, {}]"),
	"2:33: missing key \"key\"\n"
	"2:58: missing key \"certificate\"\n2:58: missing key \"key\"\n"},
    {TLS("{certificates: []}"), "2:47: expected at least one certificate\n"},
    {TLS("{certificates: shop.crt}"),
	"2:47: expected a list of certificates, found a string\n"},
    {TLS("{certificates: [{certificate: shop.crt, key: shop.key}], "
	 "key: shop.key}"),
	"2:89: \"key\" beside \"certificates\": expected it there\n"},
    {TLS("{certificate: [], key: \"\", ocsp: }"),
	"2:46: " PEM_NAME "a list\n2:55: " PEM_NAME "\"\"\n"
	"2:65: expected the name of a DER file, found nothing\n"},
    {TLS("{certificate: none.crt, key: shop.key}"),
	"2:46: cannot read: No such file or directory: #/none.crt\n"},
    {TLS("{certificate: shop.crt, key: /no/shop.key}"),
	"2:61: cannot read: No such file or directory: /no/shop.key\n"},
    {TLS("{certificate: \"a\\nb\", key: shop.key}"),
	"2:46: cannot read: No such file or directory: #/a?b\n"},
    {TLS("{certificate: shop.key, key: shop.key}"),
	"2:46: expected \"-----BEGIN CERTIFICATE-----\", found "
	"\"-----BEGIN PRIVATE KEY-----\"\n"},
    {TLS("[{certificate: old.crt, key: shop.key}, "
	 "{certificate: shop.crt, key: rsa.key}]"),
	"2:47: expired on 1970-01-02 00:00:00 UTC\n"
	"2:101: expected the key of this certificate, found another one's\n"},
    {TLS("{certificate: shop.crt, key: shop.key, ocsp: shop.crt}"),
	"2:77: expected an OCSP response in DER, found "
	"\"-----BEGIN CERTIFICATE-----\"\n"},
    {TLS("[{certificate: shop.crt, key: shop.key},\n"
	 " {certificate: rsa.crt, key: rsa.key},\n"
	 " {certificate: other.crt, key: other.key},\n"
	 " {certificate: rsa.crt, key: rsa.key}]"),
	"4:16: there is another certificate for \"shop.example.com\" with an "
	"ECDSA key, on line 2\n"
	"5:16: there is another certificate for \"b.example.com\" with an RSA "
	"key, on line 3\n"},
    {TLS("{certificate: shop.crt, key: shop.key, min_version: 1.1,\n"
	 "ciphers: HIGH:AES999, ciphersuites: HIGH,\n"
	 "client_ca: shop.key, client_certificate: maybe}"),
	"2:84: expected 1.2 or 1.3, found \"1.1\"\n"
	"3:10: no cipher is called \"AES999\"\n"
	"3:37: no cipher is called \"HIGH\"\n"
	"4:12: expected \"-----BEGIN CERTIFICATE-----\", found "
	"\"-----BEGIN PRIVATE KEY-----\"\n"
	"4:42: expected one of required, optional, found \"maybe\"\n"},
    {TLS("{certificate: shop.crt, key: shop.key,\n"
	 "client_certificate: optional}"),
	"3:1: \"client_certificate\" needs \"client_ca\": clients are not "
	"asked for one\n"},
    {"listen:\n- {address: 127.0.0.1:80, hsts: 1d}\n" REST,
	"2:27: \"hsts\" needs \"tls\": browsers ignore it in clear text\n"},
    {"listen:\n- {address: 127.0.0.1:80, hsts: 500ms, tls: {certificate: "
     "shop.crt, key: shop.key}}\n" REST,
	"2:33: expected a duration of whole seconds, found \"500ms\"\n"},
    {"listen:\n- {address: 127.0.0.1:80, hsts: [], tls: {certificate: "
     "shop.crt, key: shop.key}}\n" REST,
	"2:33: expected a duration such as 365d, or a map with the keys "
	"max_age, include_subdomains, preload, found a list\n"},
    {"listen:\n- {address: 127.0.0.1:80, hsts: {preload: 1}, tls: "
     "{certificate: shop.crt, key: shop.key}}\n" REST,
	"2:33: missing key \"max_age\"\n"
	"2:43: expected true or false, found \"1\"\n"},
    {"listen:\n- {address: 127.0.0.1:80, redirect: http}\n"
     "- {address: 127.0.0.1:81, redirect: \"https:0\"}\n"
     "- {address: 127.0.0.1:82, redirect: \"https:65536\"}\n"
     "- {address: 127.0.0.1:83, redirect: \"https:\"}\n"
     "- {address: 127.0.0.1:84, redirect: true}\n" REST,
	"2:37: expected https, or https: and a port such as https:8443, found "
	"\"http\"\n"
	"3:37: expected https, or https: and a port such as https:8443, found "
	"\"https:0\"\n"
	"4:37: expected https, or https: and a port such as https:8443, found "
	"\"https:65536\"\n"
	"5:37: expected https, or https: and a port such as https:8443, found "
	"\"https:\"\n"
	"6:37: expected https, or https: and a port such as https:8443, found "
	"\"true\"\n"},
    {"listen:\n- {address: \"[::1]:443\", redirect: https, tls: {certificate: "
     "shop.crt, key: shop.key}}\n" REST,
	"2:36: leads to this listener itself, for ever\n"},
    {"listen:\n- {address: 127.0.0.1:80, http2: maybe}\n" REST,
	"2:34: expected true or false, found \"maybe\"\n"},
    {TOP "limits: {http2: {streams: 0, resets: 1000001, pingz: 1}}\n" REST,
	"2:27: expected an integer from 1 to 1000, found \"0\"\n"
	"2:38: expected an integer from 1 to 1000000, found \"1000001\"\n"
	"2:47: unknown key \"pingz\", did you mean \"pings\"?\n"},
};

static const struct row links[] = {
    {LINKS("protocol: h3", "", ""),
	"3:11: expected one of h1, h2, h2c, found \"h3\"\n"},
    {LINKS("protocol: h2c, tls: {}", ", protocol: http2", ""),
	"2:52: expected one of h1, h2, h2c, found \"http2\"\n"
	"3:16: \"tls\" with protocol h2c: expected h1 or h2, h2c is HTTP/2 in "
	"clear text\n"},
    {LINKS("protocol: h2c, tls: {}", "", ""),
	"3:16: \"tls\" with protocol h2c: expected h1 or h2, h2c is HTTP/2 in "
	"clear text\n"},
    {LINKS("tls: {}", ", protocol: h2c", ""),
	"2:52: h2c is HTTP/2 in clear text, but the service has \"tls\", on "
	"line 3\n"},
    {LINKS("protocol: h2c", ", tls: {}", ""),
	"2:42: \"tls\" with protocol h2c: expected h1 or h2, h2c is HTTP/2 in "
	"clear text\n"},
    {LINKS("tls: yes", "", ""),
	"3:6: expected a map with the keys ca, name, verify, certificate, "
	"key, found a string\n"},
    {LINKS("tls: {ca: none.pem, name: 10.0.0.1, verify: 1, key: shop.key}",
	"", ", tls: {name: \"*.x\", certificate: shop.crt}"),
	"2:70: expected a host such as shop.internal, found \"*.x\"\n"
	"3:11: cannot read: No such file or directory: #/none.pem\n"
	"3:27: expected a host such as shop.internal, found \"10.0.0.1\"\n"
	"3:45: expected true or false, found \"1\"\n"},
    {LINKS("tls: {certificate: shop.crt}", "", ""),
	"3:6: missing key \"key\"\n"},
    {LINKS("tls: {certificate: shop.crt, key: rsa.key}", "", ""),
	"3:35: expected the key of this certificate, found another one's\n"},
    {LINKS("errors: {grpc: 2}", "", ""),
	"3:16: expected a list of grpc-status codes from 1 to 16, or ranges "
	"such as 13-15, found a string\n"},
    {LINKS("errors: {grpc: [0, 17, 5-3, 1-16, x, []]}", "", ""),
	"3:17: expected a grpc-status from 1 to 16, or a range such as 13-15, "
	"found \"0\"\n"
	"3:20: expected a grpc-status from 1 to 16, or a range such as 13-15, "
	"found \"17\"\n"
	"3:24: expected a grpc-status from 1 to 16, or a range such as 13-15, "
	"found \"5-3\"\n"
	"3:35: expected a grpc-status from 1 to 16, or a range such as 13-15, "
	"found \"x\"\n"
	"3:38: expected a grpc-status from 1 to 16, or a range such as 13-15, "
	"found a list\n"},
};
/* clang-format on */

/* The lines as a text, as a row has them. The caller frees. */
static char *
join(const struct conf_errors *errors)
{
	const size_t folder = strlen(make_folder);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < errors->n; i++) {
		const char *line = errors->lines[i] + strlen(make_path("f:"));
		const char *at = strstr(line, make_folder);

		if (at == NULL)
			fprintf(out, "%s\n", line);
		else
			fprintf(out, "%.*s#%s\n", (int)(at - line), line,
			    at + folder);
	}
	fclose(out);
	return text;
}

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct conf_errors errors;
		struct conf *c = parse(rows[i].text, &errors);
		char *lines = join(&errors);

		if (strcmp(lines, rows[i].lines) != 0)
			print_message("%s", rows[i].text);
		assert_string_equal(lines, rows[i].lines);
		assert_int_equal(c == NULL, errors.n > 0);
		free(lines);
		conf_free(c);
		conf_errors_free(&errors);
	}
}

static void
test_listener_errors(void **state)
{
	(void)state;
	check_rows(listeners, sizeof listeners / sizeof listeners[0]);
}

static void
test_link_errors(void **state)
{
	(void)state;
	check_rows(links, sizeof links / sizeof links[0]);
}

/* Names start in the config's folder, or where the process is without one. */
static void
test_folder(void **state)
{
	static const char text[] =
	    TLS("{certificate: shop.crt, key: shop.key}");
	struct conf_errors errors;
	struct conf *c;
	char *back = getcwd(NULL, 0);

	(void)state;
	assert_null(conf_parse("f", text, sizeof text - 1, &errors));
	assert_string_equal(errors.lines[0],
	    "f:2:46: cannot read: No such file or directory: shop.crt");
	conf_errors_free(&errors);
	assert_int_equal(chdir(make_folder), 0);
	c = conf_parse("f", text, sizeof text - 1, &errors);
	assert_int_equal(chdir(back), 0);
	assert_non_null(c);
	conf_free(c);
	conf_errors_free(&errors);
	free(back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_listeners),
	    cmocka_unit_test(test_links),
	    cmocka_unit_test(test_links_inherit),
	    cmocka_unit_test(test_links_defaults),
	    cmocka_unit_test(test_listener_errors),
	    cmocka_unit_test(test_link_errors),
	    cmocka_unit_test(test_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
