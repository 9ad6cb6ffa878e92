/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Never makes a connection: it judges what has come. */
#include "worker/tool/trust.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/str.h"
#include "worker/tool/pem.h"

#define SOON_DAYS 14
#define SHOWN 160		/* bytes of a name in a line */
#define NAMES_SHOWN 8
#define STRENGTH_MIN 112	/* bits; NIST SP 800-57: RSA with 2048 */

int
trust_init(struct trust *t, const char *cafile, struct err *err)
{
	X509_STORE *store = X509_STORE_new();

	if (store == NULL || X509_STORE_set_default_paths(store) != 1)
		ERR_clear_error();
	if (store == NULL || (cafile != NULL &&
	    X509_STORE_load_file(store, cafile) != 1)) {
		X509_STORE_free(store);
		return tool_err(err, "cannot read the CAs in",
		    cafile == NULL ? "memory" : cafile);
	}
	t->store = store;
	t->private_ca = cafile != NULL;
	return 0;
}

void
trust_done(struct trust *t)
{
	X509_STORE_free(t->store);
}

/* ---- names -------------------------------------------------------------- */

static const char *
shown_name(X509_NAME *name, char out[SHOWN])
{
	char text[SHOWN];
	int n = X509_NAME_get_text_by_NID(name, NID_commonName, text,
	    sizeof(text));

	if (n <= 0)
		n = X509_NAME_get_text_by_NID(name, NID_organizationName,
		    text, sizeof(text));
	return str_escape(text, n > 0 ? (size_t)n : 0, out, SHOWN);
}

static void
put_name(struct buf *text, const GENERAL_NAME *name)
{
	char shown[SHOWN];
	struct addr addr = { .len = 0 };
	int len;

	if (name->type == GEN_DNS) {
		str_escape(ASN1_STRING_get0_data(name->d.dNSName),
		    (size_t)ASN1_STRING_length(name->d.dNSName), shown,
		    sizeof(shown));
		buf_printf(text, " %s", shown);
		return;
	}
	if (name->type != GEN_IPADD)
		return;
	len = ASN1_STRING_length(name->d.iPAddress);
	if (len == 4) {
		addr.sa.sa_family = AF_INET;
		memcpy(&addr.in.sin_addr, ASN1_STRING_get0_data(
		    name->d.iPAddress), 4);
	} else if (len == 16) {
		addr.sa.sa_family = AF_INET6;
		memcpy(&addr.in6.sin6_addr, ASN1_STRING_get0_data(
		    name->d.iPAddress), 16);
	} else {
		return;
	}
	addr_format_ip(&addr, shown);
	buf_printf(text, " %s", shown);
}

/* Clients look at nothing but the subjectAltName (RFC 9525). */
static void
put_names(struct buf *text, X509 *leaf)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name,
	    NULL, NULL);
	int n = sk_GENERAL_NAME_num(names);

	if (n <= 0)
		buf_printf(text, " nothing: it has no subjectAltName");
	for (int i = 0; i < n && i < NAMES_SHOWN; i++)
		put_name(text, sk_GENERAL_NAME_value(names, i));
	if (n > NAMES_SHOWN)
		buf_printf(text, " and %d more", n - NAMES_SHOWN);
	buf_put_u8(text, '\0');
	GENERAL_NAMES_free(names);
}

static void
judge_name(X509 *leaf, const char *name, const char *where,
    struct findings *f)
{
	struct buf names = BUF_INIT;
	struct addr addr;
	int match;

	if (name[0] == '\0')
		return;
	if (addr_parse_ip(name, strlen(name), &addr))
		match = X509_check_ip_asc(leaf, name, 0);
	else
		match = X509_check_host(leaf, name, 0,
		    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
	if (match == 1)
		return;
	put_names(&names, leaf);
	findings_add(f, FINDING_FAIL, "%s: the certificate is not for %s, but "
	    "for%s", where, name, (const char *)names.data);
	buf_done(&names);
}

/* ---- dates and keys ----------------------------------------------------- */

static void
format_date(const ASN1_TIME *time, char out[16])
{
	struct tm tm = { 0 };

	(void)ASN1_TIME_to_tm(time, &tm);
	strftime(out, 16, "%Y-%m-%d", &tm);
}

static void
judge_dates(X509 *cert, bool leaf, const char *where, struct findings *f)
{
	const ASN1_TIME *end = X509_get0_notAfter(cert);
	const ASN1_TIME *begin = X509_get0_notBefore(cert);
	char name[SHOWN], date[16], what[SHOWN + 32];
	int days = 0, seconds = 0;

	snprintf(what, sizeof(what), leaf ? "the certificate" :
	    "the CA's certificate of %s", shown_name(
	    X509_get_subject_name(cert), name));
	(void)ASN1_TIME_diff(&days, &seconds, NULL, end);
	if (X509_cmp_current_time(end) < 0) {
		format_date(end, date);
		findings_add(f, FINDING_FAIL, "%s: %s expired on %s", where,
		    what, date);
	} else if (X509_cmp_current_time(begin) > 0) {
		format_date(begin, date);
		findings_add(f, FINDING_FAIL, "%s: %s is not valid before %s",
		    where, what, date);
	} else if (days < SOON_DAYS) {
		format_date(end, date);
		findings_add(f, FINDING_WARN, "%s: %s expires on %s, in %d "
		    "days", where, what, date, days);
	}
}

static void
judge_key(X509 *leaf, const char *where, struct findings *f)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);

	if (key == NULL || EVP_PKEY_get_security_bits(key) < STRENGTH_MIN)
		findings_add(f, FINDING_FAIL, "%s: the certificate's key is "
		    "too weak (%d bits)", where,
		    key == NULL ? 0 : EVP_PKEY_get_bits(key));
}

/* ---- the chain ---------------------------------------------------------- */

/* Public CAs say where to get what the server has forgotten. */
static bool
names_its_issuer(X509 *cert)
{
	AUTHORITY_INFO_ACCESS *aia = X509_get_ext_d2i(cert, NID_info_access,
	    NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(aia); i++)
		found |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(aia,
		    i)->method) == NID_ad_ca_issuers;
	AUTHORITY_INFO_ACCESS_free(aia);
	return found;
}

static bool
is_own_issuer(X509 *cert)
{
	return X509_check_issued(cert, cert) == X509_V_OK;
}

/* Nobody who is trusted is at the end of what was sent. */
static void
judge_end(const struct trust *t, X509 *last, const char *where,
    struct findings *f)
{
	char name[SHOWN];

	shown_name(X509_get_issuer_name(last), name);
	if (is_own_issuer(last))
		findings_add(f, t->private_ca ? FINDING_FAIL : FINDING_WARN,
		    "%s: no client trusts the CA %s unless told to", where,
		    name);
	else if (t->private_ca || names_its_issuer(last))
		findings_add(f, FINDING_FAIL, "%s: the intermediate "
		    "certificate of %s is missing: put it behind the server's "
		    "in local_cert (fullchain.pem has both)", where, name);
	else
		findings_add(f, FINDING_WARN, "%s: no client trusts the CA %s "
		    "unless told to; or its certificate is missing in "
		    "local_cert", where, name);
}

static void
judge_order(STACK_OF(X509) *chain, const char *where, struct findings *f)
{
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (X509_check_issued(sk_X509_value(chain, i),
		    sk_X509_value(chain, i - 1)) != X509_V_OK) {
			findings_add(f, FINDING_WARN, "%s: certificate %d of "
			    "the chain did not issue the one before it: some "
			    "clients refuse that", where, i + 1);
			return;
		}
}

/* 0 or X509_V_ERR_*; dates are judged by themselves. */
static int
verify(const struct trust *t, STACK_OF(X509) *chain)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;

	if (ctx != NULL && X509_STORE_CTX_init(ctx, t->store,
	    sk_X509_value(chain, 0), chain) == 1) {
		X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		error = X509_verify_cert(ctx) == 1 ? 0 :
		    X509_STORE_CTX_get_error(ctx);
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return error;
}

static void
judge_chain(const struct trust *t, STACK_OF(X509) *chain, const char *where,
    struct findings *f)
{
	int error = verify(t, chain);

	switch (error) {
	case 0:
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		judge_end(t, sk_X509_value(chain, sk_X509_num(chain) - 1),
		    where, f);
		break;
	default:
		findings_add(f, FINDING_FAIL, "%s: clients refuse the "
		    "certificate: %s", where,
		    X509_verify_cert_error_string(error));
	}
	judge_order(chain, where, f);
}

void
trust_judge(const struct trust *t, STACK_OF(X509) *chain, const char *name,
    const char *where, struct findings *f)
{
	X509 *leaf = sk_X509_value(chain, 0);

	judge_name(leaf, name, where, f);
	for (int i = 0; i < sk_X509_num(chain); i++)
		judge_dates(sk_X509_value(chain, i), i == 0, where, f);
	judge_key(leaf, where, f);
	judge_chain(t, chain, where, f);
}
