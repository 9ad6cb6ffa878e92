/* SPDX-License-Identifier: MIT */
/*
 * Owns the strings of a struct wss_peer.  A certificate can be one that the
 * client has made itself: all of it is printable ASCII afterwards.
 */
#include "worker/tls_peer.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/addr.h"
#include "common/alloc.h"
#include "common/assert.h"
#include "common/str.h"

/* RFC 4514, the most specific part first; its escapes leave only ASCII. */
static char *
name_text(const X509_NAME *name)
{
	char text[TLS_PEER_TEXT_MAX] = "";
	BIO *out = BIO_new(BIO_s_mem());
	int n;

	ASSERT(out != NULL);
	X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
	n = BIO_read(out, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	BIO_free(out);
	return xstrdup(text);
}

static char *
fingerprint_text(const X509 *cert)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned len = 0;

	ASSERT(X509_digest(cert, EVP_sha256(), digest, &len) == 1);
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return xstrdup(text);
}

static char *
address_text(const ASN1_OCTET_STRING *ip)
{
	char text[ADDR_TEXT_MAX];
	int family = ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6;

	if ((family == AF_INET6 && ASN1_STRING_length(ip) != 16) ||
	    inet_ntop(family, ASN1_STRING_get0_data(ip), text,
	    sizeof(text)) == NULL)
		return NULL;
	return xasprintf("IP:%s", text);
}

static char *
string_text(const char *kind, const ASN1_STRING *s)
{
	char text[TLS_PEER_TEXT_MAX];

	return xasprintf("%s:%s", kind, str_escape(ASN1_STRING_get0_data(s),
	    (size_t)ASN1_STRING_length(s), text, sizeof(text)));
}

/* NULL: a kind of name that nobody asks for. */
static char *
general_name_text(const GENERAL_NAME *name)
{
	switch (name->type) {
	case GEN_DNS:
		return string_text("DNS", name->d.dNSName);
	case GEN_EMAIL:
		return string_text("email", name->d.rfc822Name);
	case GEN_URI:
		return string_text("URI", name->d.uniformResourceIdentifier);
	case GEN_IPADD:
		return address_text(name->d.iPAddress);
	default:
		return NULL;
	}
}

static const char **
names_of(X509 *cert)
{
	const char **list = xcalloc(TLS_PEER_NAMES_MAX + 1, sizeof(*list));
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL);
	size_t n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) &&
	    n < TLS_PEER_NAMES_MAX; i++) {
		list[n] = general_name_text(sk_GENERAL_NAME_value(names, i));
		n += list[n] != NULL;
	}
	GENERAL_NAMES_free(names);
	return list;
}

struct wss_peer *
tls_peer_of(X509 *cert)
{
	struct wss_peer *peer = xcalloc(1, sizeof(*peer));
	struct tm tm;

	peer->subject = name_text(X509_get_subject_name(cert));
	peer->issuer = name_text(X509_get_issuer_name(cert));
	peer->fingerprint = fingerprint_text(cert);
	peer->names = names_of(cert);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1)
		peer->not_after = timegm(&tm);
	ERR_clear_error();
	return peer;
}

struct wss_peer *
tls_peer_new(const SSL *ssl)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);

	if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	return tls_peer_of(cert);
}

static void
drop(const char *text)
{
	/* Ours, and const only for the handlers. */
	free((void *)(uintptr_t)text);
}

void
tls_peer_free(struct wss_peer *peer)
{
	if (peer == NULL)
		return;
	drop(peer->subject);
	drop(peer->issuer);
	drop(peer->fingerprint);
	for (size_t i = 0; peer->names[i] != NULL; i++)
		drop(peer->names[i]);
	free((void *)(uintptr_t)peer->names);
	free(peer);
}
