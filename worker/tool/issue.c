/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Never touches a file. */
#include "worker/tool/issue.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "worker/tool/pem.h"

#define DAY 86400L
#define CA_DAYS 3650
#define LEAF_DAYS 365
#define COMMON_NAME_MAX 64	/* RFC 5280, appendix A: ub-common-name */

EVP_PKEY *
issue_key(struct err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key == NULL)
		tool_err(err, "cannot make", "a key");
	return key;
}

/* RFC 5280 section 4.1.2.2: positive, and nobody can guess it. */
static bool
set_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	bool ok = number != NULL && BN_rand(number, 127, BN_RAND_TOP_ONE,
	    BN_RAND_BOTTOM_ANY) == 1 && BN_to_ASN1_INTEGER(number,
	    X509_get_serialNumber(cert)) != NULL;

	BN_free(number);
	return ok;
}

/* The text is ours, or of names that cert_name_parse() has let through. */
static bool
add_ext(X509 *cert, X509 *issuer, int nid, const char *text)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
set_name(X509 *cert, const char *field, const char *text)
{
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), field,
	    MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0) == 1;
}

/* A clock that is a little behind elsewhere does no harm. */
static X509 *
begin(EVP_PKEY *key, long days)
{
	X509 *cert = X509_new();

	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
	    set_serial(cert) && X509_set_pubkey(cert, key) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY) != NULL)
		return cert;
	X509_free(cert);
	return NULL;
}

/* ---- the CA ------------------------------------------------------------- */

static void
put_constraints(struct buf *text, const struct cert_name *names, size_t n)
{
	buf_printf(text, "critical,permitted;DNS:localhost,"
	    "permitted;DNS:test,permitted;IP:127.0.0.0/255.0.0.0,"
	    "permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	for (size_t i = 0; i < n; i++) {
		const char *name = names[i].text;

		if (!names[i].is_ip)
			buf_printf(text, ",permitted;DNS:%s", name +
			    (name[0] == '*' ? 2 : 0));
		else
			buf_printf(text, ",permitted;IP:%s/%s", name,
			    strchr(name, ':') == NULL ? "255.255.255.255" :
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	}
	buf_put_u8(text, '\0');
}

/* Several of them in one browser can be told apart. */
static bool
set_ca_name(X509 *cert)
{
	unsigned char id[4];
	char name[COMMON_NAME_MAX];

	if (RAND_bytes(id, sizeof(id)) != 1)
		return false;
	snprintf(name, sizeof(name), ISSUE_CA_NAME " %02x%02x%02x%02x",
	    id[0], id[1], id[2], id[3]);
	return set_name(cert, "CN", name) && X509_set_issuer_name(cert,
	    X509_get_subject_name(cert)) == 1;
}

X509 *
issue_ca(EVP_PKEY *key, const struct cert_name *names, size_t n,
    struct err *err)
{
	struct buf constraints = BUF_INIT;
	X509 *cert = begin(key, CA_DAYS);

	put_constraints(&constraints, names, n);
	if (cert == NULL || !set_ca_name(cert) ||
	    !add_ext(cert, cert, NID_basic_constraints,
	    "critical,CA:TRUE,pathlen:0") ||
	    !add_ext(cert, cert, NID_key_usage,
	    "critical,keyCertSign,cRLSign") ||
	    !add_ext(cert, cert, NID_subject_key_identifier, "hash") ||
	    !add_ext(cert, cert, NID_name_constraints,
	    (const char *)constraints.data) ||
	    X509_sign(cert, key, EVP_sha256()) == 0) {
		tool_err(err, "cannot make", "a CA");
		X509_free(cert);
		cert = NULL;
	}
	buf_done(&constraints);
	return cert;
}

/* ---- the leaf ----------------------------------------------------------- */

static void
put_names(struct buf *text, const struct cert_name *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(text, "%s%s:%s", i == 0 ? "" : ",",
		    names[i].is_ip ? "IP" : "DNS", names[i].text);
	buf_put_u8(text, '\0');
}

/*
 * Clients look at the subjectAltName alone.  An address is no common name:
 * OpenSSL would measure it against the CA's DNS names.
 */
static bool
set_leaf_name(X509 *cert, const struct cert_name *names, size_t n)
{
	if (!set_name(cert, "O", "wssd development certificate"))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!names[i].is_ip && strlen(names[i].text) <=
		    COMMON_NAME_MAX)
			return set_name(cert, "CN", names[i].text);
	return true;
}

/* Not longer than the CA's. */
static bool
clamp_end(X509 *cert, X509 *ca)
{
	const ASN1_TIME *end = X509_get0_notAfter(ca);

	return ASN1_TIME_compare(X509_get0_notAfter(cert), end) <= 0 ||
	    X509_set1_notAfter(cert, end) == 1;
}

X509 *
issue_leaf(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
    const struct cert_name *names, size_t n, struct err *err)
{
	struct buf san = BUF_INIT;
	X509 *cert = begin(key, LEAF_DAYS);

	put_names(&san, names, n);
	if (cert == NULL || !set_leaf_name(cert, names, n) ||
	    !clamp_end(cert, ca) || X509_set_issuer_name(cert,
	    X509_get_subject_name(ca)) != 1 ||
	    !add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") ||
	    !add_ext(cert, ca, NID_ext_key_usage, "serverAuth") ||
	    !add_ext(cert, ca, NID_subject_key_identifier, "hash") ||
	    !add_ext(cert, ca, NID_authority_key_identifier, "keyid") ||
	    !add_ext(cert, ca, NID_subject_alt_name,
	    (const char *)san.data) ||
	    X509_sign(cert, ca_key, EVP_sha256()) == 0) {
		tool_err(err, "cannot make", "a certificate");
		X509_free(cert);
		cert = NULL;
	}
	buf_done(&san);
	return cert;
}

/* ---- what is there already ---------------------------------------------- */

static bool
is_among(const GENERAL_NAME *name, GENERAL_NAMES *names)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i),
		    (GENERAL_NAME *)(uintptr_t)name) == 0)
			return true;
	return false;
}

bool
issue_has_names(X509 *cert, const struct cert_name *names, size_t n)
{
	GENERAL_NAMES *have = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL), *want;
	struct buf text = BUF_INIT;
	X509_EXTENSION *ext;
	bool all;

	put_names(&text, names, n);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
	    (const char *)text.data);
	want = ext == NULL ? NULL : X509V3_EXT_d2i(ext);
	all = want != NULL;
	for (int i = 0; i < sk_GENERAL_NAME_num(want) && all; i++)
		all = is_among(sk_GENERAL_NAME_value(want, i), have);
	GENERAL_NAMES_free(want);
	GENERAL_NAMES_free(have);
	X509_EXTENSION_free(ext);
	buf_done(&text);
	return all;
}

int
issue_verify(X509 *cert, X509 *ca)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;

	if (store != NULL && ctx != NULL &&
	    X509_STORE_add_cert(store, ca) == 1 &&
	    X509_STORE_CTX_init(ctx, store, cert, NULL) == 1 &&
	    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) == 1) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		error = X509_verify_cert(ctx) == 1 ? 0 :
		    X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return error;
}
