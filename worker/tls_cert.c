/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: the certificates of a context, and what a client would
 * complain about in them.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/assert.h"
#include "worker/tls_build.h"

#define SHOWN 128		/* bytes of a name in a sentence */

/* ---- what is in the certificate ---------------------------------------- */

static int64_t
seconds(const ASN1_TIME *time)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return 0;
	return timegm(&tm);
}

static void
subject_of(X509 *leaf, char *out, size_t size)
{
	GENERAL_NAMES *names;
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf),
	    NID_commonName, out, (int)size);

	if (n > 0)
		return;
	out[0] = '\0';
	names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		snprintf(out, size, "%.*s",
		    ASN1_STRING_length(name->d.dNSName),
		    (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		break;
	}
	GENERAL_NAMES_free(names);
}

/* Of several certificates the first has the name, the worst the dates. */
static void
take_info(struct tls_build *b, X509 *leaf, bool first)
{
	struct tls_ctx_info *info = b->info;
	int64_t before = seconds(X509_get0_notBefore(leaf));
	int64_t after = seconds(X509_get0_notAfter(leaf));

	if (first)
		subject_of(leaf, info->subject, sizeof(info->subject));
	if (first || before > info->not_before)
		info->not_before = before;
	if (first || after < info->not_after)
		info->not_after = after;
}

/* ---- what a client would complain about ----------------------------------- */

static int
check_dates(struct tls_build *b, X509 *leaf, const char *path,
    struct err *err)
{
	int64_t before = seconds(X509_get0_notBefore(leaf));
	int64_t after = seconds(X509_get0_notAfter(leaf));
	int64_t now = time(NULL);
	char when[32];

	if (before <= now && now <= after)
		return 0;
	tls_date(after < now ? after : before, when, sizeof(when));
	return tls_complain(b, err, "the certificate in %s %s %s", path,
	    after < now ? "expired on" : "is not valid before", when);
}

/* RFC 8446 section 4.4.2: each certifies the one before it. */
static int
check_order(struct tls_build *b, STACK_OF(X509) *chain, const char *path,
    struct err *err)
{
	char name[SHOWN], issuer[SHOWN];

	for (int i = 1; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i - 1);
		X509 *next = sk_X509_value(chain, i);

		if (X509_check_issued(next, cert) == X509_V_OK)
			continue;
		tls_name_of(cert, name, sizeof(name));
		tls_name_of(next, issuer, sizeof(issuer));
		return tls_complain(b, err, "the chain in %s is in the wrong "
		    "order: certificate %d (%s) did not issue certificate %d "
		    "(%s) before it", path, i + 1, issuer, i, name);
	}
	return 0;
}

static bool
names_its_issuer(X509 *leaf)
{
	AUTHORITY_INFO_ACCESS *aia = X509_get_ext_d2i(leaf, NID_info_access,
	    NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(aia); i++)
		found |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(aia,
		    i)->method) == NID_ad_ca_issuers;
	AUTHORITY_INFO_ACCESS_free(aia);
	return found;
}

/*
 * Whether the issuer is a root that clients know cannot be seen from here.
 * But public CAs all sign with intermediates, and say where to get them.
 */
static int
check_complete(struct tls_build *b, STACK_OF(X509) *chain, const char *path,
    struct err *err)
{
	X509 *leaf = sk_X509_value(chain, 0);

	if (sk_X509_num(chain) > 1 || !names_its_issuer(leaf) ||
	    X509_check_issued(leaf, leaf) == X509_V_OK)
		return 0;
	return tls_complain(b, err, "%s has only the server's certificate: "
	    "without its CA's intermediate certificate behind it many clients "
	    "do not trust it (fullchain.pem has both)", path);
}

/* A name that only a wildcard of the certificate matches, too. */
static void
check_names(struct tls_build *b, X509 *leaf, const char *path)
{
	const struct config_strings *names = &b->config->server_name;

	for (size_t i = 0; i < names->n; i++) {
		const char *name = names->items[i];
		char probe[300];

		snprintf(probe, sizeof(probe), "%s%s", name[0] == '*' ?
		    "any-label" : "", name[0] == '*' ? name + 1 : name);
		if (X509_check_host(leaf, probe, 0, 0, NULL) != 1)
			tls_warn(b, "the certificate in %s is not for "
			    "server_name %s: clients will refuse it", path,
			    name);
	}
}

static int
check(struct tls_build *b, STACK_OF(X509) *chain, const char *path,
    struct err *err)
{
	X509 *leaf = sk_X509_value(chain, 0);

	check_names(b, leaf, path);
	if (check_dates(b, leaf, path, err) == -1 ||
	    check_order(b, chain, path, err) == -1)
		return -1;
	return check_complete(b, chain, path, err);
}

/* ---- loading ------------------------------------------------------------------ */

static int
read_certs(struct tls_build *b, BIO *pem, const char *path,
    STACK_OF(X509) *chain, struct err *err)
{
	X509 *cert = PEM_read_bio_X509_AUX(pem, NULL, NULL, NULL);

	if (cert == NULL)
		return tls_refuse(b, err, "no certificate (PEM) in", path);
	do
		sk_X509_push(chain, cert);
	while ((cert = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL);
	return tls_pem_end() ? 0 : tls_refuse(b, err, "the chain in", path);
}

static STACK_OF(X509) *
read_chain(struct tls_build *b, const char *path, struct err *err)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct buf bytes = BUF_INIT;
	BIO *pem;
	int rc;

	ASSERT(chain != NULL);
	rc = tls_read_file(b, path, &bytes, err);
	if (rc == 0) {
		pem = tls_bio_of(&bytes);
		rc = read_certs(b, pem, path, chain, err);
		BIO_free(pem);
	}
	/* The key may stand in the same file. */
	if (bytes.data != NULL)
		OPENSSL_cleanse(bytes.data, bytes.len);
	buf_done(&bytes);
	if (rc == 0)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	return NULL;
}

/* Of two of the same kind OpenSSL would silently forget the first. */
static int
check_kind(const struct tls_build *b, X509 *leaf, const char *path,
    struct err *err)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf), *other;
	long rc = SSL_CTX_set_current_cert(b->ctx, SSL_CERT_SET_FIRST);

	for (; rc == 1; rc = SSL_CTX_set_current_cert(b->ctx,
	    SSL_CERT_SET_NEXT)) {
		other = X509_get0_pubkey(SSL_CTX_get0_certificate(b->ctx));
		if (key != NULL && EVP_PKEY_get_base_id(key) ==
		    EVP_PKEY_get_base_id(other))
			return tls_error(b, err, "local_cert: %s has the same "
			    "kind of key as one before it; several are for "
			    "one with RSA and one with ECDSA", path);
	}
	return 0;
}

static int
refuse_cert(const struct tls_build *b, struct err *err, X509 *cert,
    const char *path)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	char name[SHOWN], reason[128];

	tls_name_of(cert, name, sizeof(name));
	tls_reason(reason, sizeof(reason));
	return tls_error(b, err, "the certificate of %s in %s is refused at "
	    "security_level = %d: %s (its key has %d bits)", name, path,
	    (int)b->config->security_level, reason,
	    key == NULL ? 0 : EVP_PKEY_get_bits(key));
}

static int
use_chain(struct tls_build *b, STACK_OF(X509) *chain, const char *path,
    const char *key_path, struct err *err)
{
	X509 *leaf = sk_X509_value(chain, 0);

	if (check_kind(b, leaf, path, err) == -1)
		return -1;
	if (SSL_CTX_use_certificate(b->ctx, leaf) != 1)
		return refuse_cert(b, err, leaf, path);
	if (tls_apply_key(b, chain, path, key_path, err) == -1)
		return -1;
	for (int i = 1; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);

		if (SSL_CTX_add1_chain_cert(b->ctx, cert) != 1)
			return refuse_cert(b, err, cert, path);
	}
	return 0;
}

int
tls_apply_pairs(struct tls_build *b, struct err *err)
{
	const struct config_context *c = b->config;

	b->info->sound = true;
	for (size_t i = 0; i < c->local_cert.n; i++) {
		const char *path = c->local_cert.items[i];
		STACK_OF(X509) *chain = read_chain(b, path, err);
		int rc = -1;

		if (chain == NULL)
			return -1;
		take_info(b, sk_X509_value(chain, 0), i == 0);
		if (use_chain(b, chain, path, c->local_pk.items[i],
		    err) == 0)
			rc = check(b, chain, path, err);
		sk_X509_pop_free(chain, X509_free);
		if (rc == -1)
			return -1;
	}
	SSL_CTX_set_current_cert(b->ctx, SSL_CERT_SET_FIRST);
	ERR_clear_error();
	return 0;
}
