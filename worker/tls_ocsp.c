/* SPDX-License-Identifier: MIT */
/*
 * Owns the OCSP responses of a context: read from files that something else
 * keeps fresh, handed to clients that ask (RFC 6066 section 8) for as long as
 * they are in date.
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "worker/tls_build.h"

#define SKEW_S 300		/* of clocks */

struct staple {
	ASN1_INTEGER *serial;		/* of the certificate it is about */
	ASN1_GENERALIZEDTIME *until;	/* NULL: it does not say */
	unsigned char *der;		/* malloc; OpenSSL gets a copy */
	size_t len;
};

struct tls_staples {
	struct staple items[CONFIG_PAIRS_MAX];
	size_t n;
};

void
tls_staples_free(struct tls_staples *s)
{
	for (size_t i = 0; s != NULL && i < s->n; i++) {
		ASN1_INTEGER_free(s->items[i].serial);
		ASN1_GENERALIZEDTIME_free(s->items[i].until);
		free(s->items[i].der);
	}
	free(s);
}

/* ---- reading ------------------------------------------------------------------ */

/* Which of the context's certificates has the serial number. */
static bool
is_ours(SSL_CTX *ctx, const ASN1_INTEGER *serial)
{
	long rc = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);

	for (; rc == 1; rc = SSL_CTX_set_current_cert(ctx,
	    SSL_CERT_SET_NEXT)) {
		const X509 *cert = SSL_CTX_get0_certificate(ctx);

		if (ASN1_INTEGER_cmp(serial,
		    X509_get0_serialNumber(cert)) == 0)
			return true;
	}
	return false;
}

static int
check_dates(struct tls_build *b, const char *path, ASN1_GENERALIZEDTIME *from,
    ASN1_GENERALIZEDTIME *until, struct err *err)
{
	if (OCSP_check_validity(from, until, SKEW_S, -1) == 1)
		return 0;
	ERR_clear_error();
	return tls_complain_of_age(b, err, "ocsp_staple %s is out of date, "
	    "and clients do not get it", path);
}

/* The answer about one of our certificates, into the next item. */
static int
take_single(struct tls_build *b, const char *path, OCSP_BASICRESP *basic,
    struct staple *out, struct err *err)
{
	ASN1_GENERALIZEDTIME *from, *until;
	ASN1_INTEGER *serial = NULL;
	OCSP_SINGLERESP *single = NULL;
	int status, reason;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		single = OCSP_resp_get0(basic, i);
		/* The certificate ID's fields are const in all but type. */
		OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)
		    (uintptr_t)OCSP_SINGLERESP_get0_id(single));
		if (is_ours(b->ctx, serial))
			break;
		single = NULL;
	}
	if (single == NULL)
		return tls_error(b, err, "ocsp_staple %s is not about the "
		    "certificate in %s", path, b->config->local_cert.items[0]);
	status = OCSP_single_get0_status(single, &reason, NULL, &from,
	    &until);
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return tls_error(b, err, "ocsp_staple %s says of the "
		    "certificate: %s", path, OCSP_cert_status_str(status));
	if (check_dates(b, path, from, until, err) == -1)
		return -1;
	out->serial = ASN1_INTEGER_dup(serial);
	out->until = until == NULL ? NULL : ASN1_STRING_dup(until);
	return 0;
}

static int
take_response(struct tls_build *b, const char *path, const struct buf *bytes,
    struct staple *out, struct err *err)
{
	const unsigned char *at = bytes->data;
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at,
	    (long)bytes->len);
	OCSP_BASICRESP *basic;
	int rc, status;

	if (response == NULL)
		return tls_refuse(b, err, "no OCSP response (DER) in", path);
	status = OCSP_response_status(response);
	basic = OCSP_response_get1_basic(response);
	if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL || basic == NULL)
		rc = tls_error(b, err, "ocsp_staple %s is no answer: %s",
		    path, OCSP_response_status_str(status));
	else
		rc = take_single(b, path, basic, out, err);
	ERR_clear_error();
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	return rc;
}

static int
add(struct tls_build *b, struct tls_staples *s, const char *path,
    struct err *err)
{
	struct staple *item = &s->items[s->n];
	struct buf bytes = BUF_INIT;

	memset(item, 0, sizeof(*item));
	if (tls_read_file(b, path, &bytes, err) == -1 ||
	    take_response(b, path, &bytes, item, err) == -1) {
		buf_done(&bytes);
		return -1;
	}
	item->der = bytes.data;
	item->len = bytes.len;
	s->n++;
	return 0;
}

/* ---- handing out -------------------------------------------------------------- */

static int
on_status(SSL *ssl, void *arg)
{
	const struct tls_staples *s = arg;
	const X509 *cert = SSL_get_certificate(ssl);
	unsigned char *copy;

	for (size_t i = 0; cert != NULL && i < s->n; i++) {
		const struct staple *item = &s->items[i];

		if (ASN1_INTEGER_cmp(item->serial,
		    X509_get0_serialNumber(cert)) != 0 ||
		    (item->until != NULL &&
		    X509_cmp_current_time(item->until) <= 0))
			continue;
		copy = OPENSSL_memdup(item->der, item->len);
		ASSERT(copy != NULL);
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)item->len);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

int
tls_apply_staples(struct tls_build *b, struct err *err)
{
	const struct config_strings *paths = &b->config->ocsp_staple;
	struct tls_staples *s;

	if (paths->n == 0)
		return 0;
	s = xcalloc(1, sizeof(*s));
	b->tls->staples = s;
	for (size_t i = 0; i < paths->n; i++) {
		if (add(b, s, paths->items[i], err) == -1)
			return -1;
	}
	SSL_CTX_set_tlsext_status_cb(b->ctx, on_status);
	SSL_CTX_set_tlsext_status_arg(b->ctx, s);
	return 0;
}
