/* SPDX-License-Identifier: MIT */
/* Owns the tables of names, and the callbacks in which OpenSSL asks them. */
#include "worker/tls_sni.h"

#include <ctype.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/map.h"
#include "common/str.h"

#define HOST_NAME 0		/* RFC 6066 section 3: NameType */

struct tls_sni {
	struct tls_named *contexts;	/* the first is the default */
	bool strict;
	struct map exact;		/* "example.org", to one of contexts */
	struct map wildcards;		/* ".example.org" of "*.example.org" */
	char **owned;			/* names that came from certificates */
	size_t n_owned;
};

/* ---- the tables ------------------------------------------------------------ */

static void
put_name(struct tls_sni *sni, const char *name, struct tls_named *named)
{
	if (strncmp(name, "*.", 2) == 0)
		map_put(&sni->wildcards, name + 1, strlen(name + 1), named);
	else
		map_put(&sni->exact, name, strlen(name), named);
}

static void
put_dns_name(struct tls_sni *sni, const ASN1_IA5STRING *dns,
    struct tls_named *named)
{
	size_t len = (size_t)ASN1_STRING_length(dns);
	char *name = xstrndup((const char *)ASN1_STRING_get0_data(dns), len);

	/* A NUL inside is the attempt to be mistaken for another name. */
	if (strlen(name) != len) {
		free(name);
		return;
	}
	for (char *p = name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	sni->owned = xreallocarray(sni->owned, sni->n_owned + 1,
	    sizeof(*sni->owned));
	sni->owned[sni->n_owned++] = name;
	put_name(sni, name, named);
}

static void
put_names_of_cert(struct tls_sni *sni, const X509 *cert,
    struct tls_named *named)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			put_dns_name(sni, name->d.dNSName, named);
	}
	GENERAL_NAMES_free(names);
}

static void
put_names_of_certs(struct tls_sni *sni, struct tls_named *named)
{
	SSL_CTX *ctx = named->tls->ssl_ctx;
	long rc = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);

	for (; rc == 1; rc = SSL_CTX_set_current_cert(ctx,
	    SSL_CERT_SET_NEXT))
		put_names_of_cert(sni, SSL_CTX_get0_certificate(ctx), named);
	SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);
}

struct tls_sni *
tls_sni_new(const struct tls_named *contexts, size_t n, bool strict)
{
	struct tls_sni *sni = xcalloc(1, sizeof(*sni));

	sni->contexts = xcalloc(n, sizeof(*contexts));
	memcpy(sni->contexts, contexts, n * sizeof(*contexts));
	sni->strict = strict;
	for (size_t i = 0; i < n; i++) {
		const struct config_strings *names =
		    &contexts[i].tls->config->server_name;

		for (size_t j = 0; j < names->n; j++)
			put_name(sni, names->items[j], &sni->contexts[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (contexts[i].tls->config->server_name.n == 0)
			put_names_of_certs(sni, &sni->contexts[i]);
	}
	return sni;
}

void
tls_sni_free(struct tls_sni *sni)
{
	if (sni == NULL)
		return;
	map_done(&sni->exact);
	map_done(&sni->wildcards);
	for (size_t i = 0; i < sni->n_owned; i++)
		free(sni->owned[i]);
	free(sni->owned);
	free(sni->contexts);
	free(sni);
}

const struct tls_named *
tls_sni_find(const struct tls_sni *sni, const char *name, size_t len)
{
	char lower[TLS_SNI_NAME_MAX] = "";
	const struct tls_named *found;
	const char *dot;

	if (len == 0 || len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	found = map_get(&sni->exact, lower, len);
	dot = memchr(lower, '.', len);
	if (found != NULL || dot == NULL || dot == lower)
		return found;
	return map_get(&sni->wildcards, dot, len - (size_t)(dot - lower));
}

const struct tls_named *
tls_sni_first(const struct tls_sni *sni)
{
	return &sni->contexts[0];
}

/* ---- the handshake ----------------------------------------------------------- */

bool
tls_sni_parse(const uint8_t *ext, size_t len,
    char name_out[TLS_SNI_NAME_MAX])
{
	struct reader r = { ext, len, false };
	char name[TLS_SNI_NAME_MAX];
	size_t list = reader_u16(&r);

	/* There is one kind of name, and so one name in the list. */
	if (r.bad || list != r.len || reader_u8(&r) != HOST_NAME)
		return false;
	reader_str(&r, name, sizeof(name));
	if (!reader_end(&r) || name[0] == '\0')
		return false;
	memcpy(name_out, name, sizeof(name));
	return true;
}

/* SSL_set_SSL_CTX() takes certificates, ciphers and CAs along, not this. */
static void
use(SSL *ssl, struct tls_choice *choice, const struct tls_named *named)
{
	const char *groups = named->tls->config->groups;
	SSL_CTX *ctx = named->tls->ssl_ctx;
	bool same_groups = strcmp(groups,
	    choice->named->tls->config->groups) == 0;

	choice->named = named;
	SSL_set_SSL_CTX(ssl, ctx);
	SSL_clear_options(ssl, SSL_get_options(ssl) &
	    ~SSL_CTX_get_options(ctx));
	SSL_set_options(ssl, SSL_CTX_get_options(ctx));
	SSL_set_min_proto_version(ssl,
	    (int)SSL_CTX_get_min_proto_version(ctx));
	SSL_set_max_proto_version(ssl,
	    (int)SSL_CTX_get_max_proto_version(ctx));
	SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx));
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), NULL);
	SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(ctx));
	if (!same_groups)
		SSL_set1_groups_list(ssl, groups);
}

static int
refuse(const char *name, int *alert)
{
	char shown[TLS_SNI_NAME_MAX];

	*alert = SSL_AD_UNRECOGNIZED_NAME;
	if (name[0] == '\0')
		tls_give_reason("the client asks for no server name");
	else
		tls_give_reason("no context has the server name %s",
		    str_escape(name, strlen(name), shown, sizeof(shown)));
	return SSL_CLIENT_HELLO_ERROR;
}

static int
on_client_hello(SSL *ssl, int *alert, void *unused)
{
	struct tls_choice *choice = SSL_get_app_data(ssl);
	const struct tls_named *named = NULL;
	char name[TLS_SNI_NAME_MAX] = "";
	const unsigned char *ext;
	size_t len;

	(void)unused;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext,
	    &len) == 1 && tls_sni_parse(ext, len, name))
		named = tls_sni_find(choice->sni, name, strlen(name));
	if (named == NULL && choice->sni->strict)
		return refuse(name, alert);
	/* A HelloRetryRequest brings a second ClientHello, perhaps with
	   another name. */
	if (named == NULL)
		named = tls_sni_first(choice->sni);
	if (named != choice->named)
		use(ssl, choice, named);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* RFC 6066: a name that was used is acknowledged. */
static int
on_server_name(SSL *ssl, int *alert, void *unused)
{
	const struct tls_choice *choice = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)unused;
	if (name == NULL || tls_sni_find(choice->sni, name,
	    strlen(name)) == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

void
tls_sni_install(SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
}

void
tls_sni_attach(SSL *ssl, struct tls_choice *choice, const struct tls_sni *sni)
{
	choice->sni = sni;
	choice->named = tls_sni_first(sni);
	SSL_set_app_data(ssl, choice);
}
