/* Lists of ciphers, tried on an SSL_CTX that is thrown away. */
#include "conf/ciphers.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/opt.h"
#include "base/span.h"

typedef int ciphers_setter(SSL_CTX *ctx, const char *list);

/* Cuts the next element off, at any of the separators OpenSSL knows. */
static struct span
next_element(const char **rest, const char *separators)
{
	struct span element = {*rest, strcspn(*rest, separators)};

	*rest += element.n;
	*rest += strspn(*rest, separators);
	return element;
}

/* What takes ciphers away, sorts them or sets a level asks for none. */
static bool
asks_for_ciphers(struct span element)
{
	return element.n > 0 && strchr("!-+@", element.p[0]) == NULL;
}

static bool
element_known(SSL_CTX *ctx, ciphers_setter *set, struct span element, char *why,
    size_t why_size)
{
	char found[OPT_QUOTE_MAX], name[256];

	if (element.n < sizeof name) {
		memcpy(name, element.p, element.n);
		name[element.n] = '\0';
		if (set(ctx, name) == 1)
			return true;
	}
	opt_quote(element, found, sizeof found);
	snprintf(why, why_size, "no cipher is called %s", found);
	return false;
}

static bool
check(const char *list, ciphers_setter *set, const char *separators, char *why,
    size_t why_size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	const char *rest = list + strspn(list, separators);
	bool good = ctx != NULL;

	snprintf(why, why_size, "out of memory");
	while (good && *rest != '\0') {
		struct span element = next_element(&rest, separators);

		if (asks_for_ciphers(element))
			good = element_known(ctx, set, element, why, why_size);
	}
	if (good && (list[0] == '\0' || set(ctx, list) != 1)) {
		snprintf(why, why_size, "expected ciphers, found none");
		good = false;
	}
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

bool
ciphers_check(const char *list, char *why, size_t why_size)
{
	return check(list, SSL_CTX_set_cipher_list, ":, ;", why, why_size);
}

bool
ciphersuites_check(const char *list, char *why, size_t why_size)
{
	return check(list, SSL_CTX_set_ciphersuites, ":", why, why_size);
}
