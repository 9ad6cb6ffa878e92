/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: how certificates of clients are checked, and which sessions
 * may be resumed: only those of the same context, checked in the same way.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "worker/tls_build.h"

/* More names would make the request for a certificate too long. */
#define CA_NAMES_MAX 64

/* ---- CAs and CRLs ---------------------------------------------------------- */

struct cas {
	struct buf bytes;		/* of one file after the other, for
					   the session context */
	int n;
};

/* The certificates of the file at bytes->data + first. */
static int
add_cas(struct tls_build *b, struct cas *cas, size_t first, const char *path,
    struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(b->ctx);
	BIO *pem = BIO_new_mem_buf(cas->bytes.data + first,
	    (int)(cas->bytes.len - first));
	X509 *cert;

	ASSERT(pem != NULL);
	while ((cert = PEM_read_bio_X509_AUX(pem, NULL, NULL, NULL)) !=
	    NULL) {
		X509_STORE_add_cert(store, cert);
		if (cas->n++ < CA_NAMES_MAX)
			SSL_CTX_add_client_CA(b->ctx, cert);
		X509_free(cert);
	}
	BIO_free(pem);
	return tls_pem_end() ? 0 : tls_refuse(b, err, "a CA in", path);
}

static int
read_cas(struct tls_build *b, struct cas *cas, const char *path,
    struct err *err)
{
	size_t first = cas->bytes.len;
	int before = cas->n;

	if (tls_read_file(b, path, &cas->bytes, err) == -1 ||
	    add_cas(b, cas, first, path, err) == -1)
		return -1;
	if (b->config->cafile == path && cas->n == before)
		return tls_error(b, err, "cafile %s has no certificate (PEM)",
		    path);
	return 0;
}

/* Other files may lie in a folder; but some must have a certificate. */
static int
read_folder(struct tls_build *b, struct cas *cas, struct err *err)
{
	const char *folder = b->config->capath;
	int before = cas->n;

	for (size_t i = 0; i < b->files->n; i++) {
		const char *path = b->files->items[i].path;

		if (files_is_in(path, folder) &&
		    read_cas(b, cas, path, err) == -1)
			return -1;
	}
	if (cas->n == before)
		return tls_error(b, err, "capath %s has no file with a "
		    "certificate (PEM)", folder);
	return 0;
}

static int
check_crl(struct tls_build *b, const X509_CRL *crl, struct err *err)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
	char when[32];
	struct tm tm;

	if (next == NULL || X509_cmp_current_time(next) > 0 ||
	    ASN1_TIME_to_tm(next, &tm) != 1)
		return 0;
	tls_date(timegm(&tm), when, sizeof(when));
	return tls_complain_of_age(b, err, "a list in crl %s has expired on "
	    "%s: its CA's clients are refused", b->config->crl, when);
}

static int
add_crls(struct tls_build *b, BIO *pem, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(b->ctx);
	X509_CRL *crl;
	int n = 0, rc = 0;

	while (rc == 0 &&
	    (crl = PEM_read_bio_X509_CRL(pem, NULL, NULL, NULL)) != NULL) {
		rc = check_crl(b, crl, err);
		X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
		n++;
	}
	if (rc == -1)
		return -1;
	if (!tls_pem_end())
		return tls_refuse(b, err, "a list in crl", b->config->crl);
	if (n == 0)
		return tls_error(b, err, "crl %s has no revocation list "
		    "(PEM)", b->config->crl);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
	    X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

static int
read_crls(struct tls_build *b, struct cas *cas, struct err *err)
{
	size_t first = cas->bytes.len;
	BIO *pem;
	int rc;

	if (tls_read_file(b, b->config->crl, &cas->bytes, err) == -1)
		return -1;
	pem = BIO_new_mem_buf(cas->bytes.data + first,
	    (int)(cas->bytes.len - first));
	ASSERT(pem != NULL);
	rc = add_crls(b, pem, err);
	BIO_free(pem);
	return rc;
}

/* ---- the check in a handshake ------------------------------------------------ */

static bool
has_fingerprint(const struct config_context *c, const X509 *leaf)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1];
	unsigned len;

	if (c->peer_fingerprint.n == 0)
		return true;
	if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
		return false;
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	for (size_t i = 0; i < c->peer_fingerprint.n; i++) {
		if (strcmp(c->peer_fingerprint.items[i], text) == 0)
			return true;
	}
	return false;
}

/* With allow_self_signed: what OpenSSL says of a leaf that is its own CA. */
static int
take_self_signed(int ok, X509_STORE_CTX *store)
{
	if (!ok && X509_STORE_CTX_get_error(store) ==
	    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	return ok;
}

static int
verify(X509_STORE_CTX *store, void *arg)
{
	const struct tls_ctx *tls = arg;

	if (tls->config->allow_self_signed)
		X509_STORE_CTX_set_verify_cb(store, take_self_signed);
	if (X509_verify_cert(store) != 1) {
		tls_give_reason("the client's certificate is refused: %s",
		    X509_verify_cert_error_string(
		    X509_STORE_CTX_get_error(store)));
		return 0;
	}
	if (has_fingerprint(tls->config, X509_STORE_CTX_get0_cert(store)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	tls_give_reason("the client's certificate is refused: it is not one "
	    "of peer_fingerprint");
	return 0;
}

/* ---- sessions ------------------------------------------------------------------ */

static void
put_setting(EVP_MD_CTX *md, const char *text)
{
	EVP_DigestUpdate(md, text, strlen(text) + 1);
}

/*
 * A session is resumed only where the same would be checked: in a context of
 * the same name, with the same CAs, lists and fingerprints.  A renewed server
 * certificate makes no difference.
 */
static void
set_session_context(struct tls_build *b, const struct cas *cas)
{
	const struct config_context *c = b->config;
	uint8_t numbers[] = { (uint8_t)c->verify_peer,
		(uint8_t)c->verify_depth, c->allow_self_signed };
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned len;

	ASSERT(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
	put_setting(md, c->name);
	EVP_DigestUpdate(md, numbers, sizeof(numbers));
	for (size_t i = 0; i < c->peer_fingerprint.n; i++)
		put_setting(md, c->peer_fingerprint.items[i]);
	if (cas->bytes.len > 0)
		EVP_DigestUpdate(md, cas->bytes.data, cas->bytes.len);
	EVP_DigestFinal_ex(md, digest, &len);
	EVP_MD_CTX_free(md);
	ASSERT(len == SSL_MAX_SID_CTX_LENGTH);
	SSL_CTX_set_session_id_context(b->ctx, digest, len);
}

/* ---- the step ------------------------------------------------------------------- */

static int
ask_clients(struct tls_build *b, struct cas *cas, struct err *err)
{
	const struct config_context *c = b->config;
	int mode = SSL_VERIFY_PEER;

	if ((c->cafile != NULL && read_cas(b, cas, c->cafile, err) == -1) ||
	    (c->capath != NULL && read_folder(b, cas, err) == -1) ||
	    (c->crl != NULL && read_crls(b, cas, err) == -1))
		return -1;
	if (cas->n > CA_NAMES_MAX)
		SSL_CTX_set_client_CA_list(b->ctx, NULL);
	if (c->verify_peer == CONFIG_VERIFY_REQUIRE)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(b->ctx, mode, NULL);
	SSL_CTX_set_verify_depth(b->ctx, (int)c->verify_depth);
	SSL_CTX_set_cert_verify_callback(b->ctx, verify, b->tls);
	ERR_clear_error();
	return 0;
}

int
tls_apply_verify(struct tls_build *b, struct err *err)
{
	struct cas cas = { BUF_INIT, 0 };
	int rc = 0;

	SSL_CTX_set_verify(b->ctx, SSL_VERIFY_NONE, NULL);
	if (b->config->verify_peer != CONFIG_VERIFY_OFF)
		rc = ask_clients(b, &cas, err);
	set_session_context(b, &cas);
	buf_done(&cas.bytes);
	return rc;
}
