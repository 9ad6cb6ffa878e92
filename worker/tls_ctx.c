/* SPDX-License-Identifier: MIT */
/* Owns nothing: one small step a setting, each of which can refuse. */
#include "worker/tls_ctx.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"

#define PEM_BYTES_MAX (1u << 20)

struct build {
	SSL_CTX *ctx;
	const struct config_context *config;
	const struct files *files;
	struct tls_ctx_info *info;
	struct buf *warnings;
	bool strict;
};

void
tls_reason(char *out, size_t size)
{
	unsigned long code = ERR_peek_error();
	const char *text;

	out[0] = '\0';
	if (code != 0) {
		text = ERR_reason_error_string(code);
		snprintf(out, size, "%s", text != NULL ? text :
		    "unknown OpenSSL error");
	}
	ERR_clear_error();
}

static int
refuse(const struct build *b, struct err *err, const char *what,
    const char *value)
{
	char reason[128];

	tls_reason(reason, sizeof(reason));
	return err_set(err, "%s:%u: %s %s: %s", b->config->place.file,
	    b->config->place.line, what, value,
	    reason[0] != '\0' ? reason : "refused by OpenSSL");
}

static int
apply_versions(struct build *b, struct err *err)
{
	static const int versions[] = {
		[CONFIG_TLS_1_2] = TLS1_2_VERSION,
		[CONFIG_TLS_1_3] = TLS1_3_VERSION,
	};

	if (SSL_CTX_set_min_proto_version(b->ctx,
	    versions[b->config->tls_min]) != 1 ||
	    SSL_CTX_set_max_proto_version(b->ctx,
	    versions[b->config->tls_max]) != 1)
		return refuse(b, err, "tls_min/tls_max", "");
	return 0;
}

/* Whatever the list says, what gives no privacy or no identity stays out. */
static int
apply_ciphers(struct build *b, struct err *err)
{
	char *list = xasprintf("%s:!aNULL:!eNULL", b->config->ciphers);
	int ok = SSL_CTX_set_cipher_list(b->ctx, list);

	free(list);
	if (ok != 1)
		return refuse(b, err, "ciphers", b->config->ciphers);
	if (SSL_CTX_set_ciphersuites(b->ctx, b->config->ciphersuites) != 1)
		return refuse(b, err, "ciphersuites",
		    b->config->ciphersuites);
	return 0;
}

static int
apply_groups(struct build *b, struct err *err)
{
	if (SSL_CTX_set1_groups_list(b->ctx, b->config->groups) != 1)
		return refuse(b, err, "groups", b->config->groups);
	return 0;
}

/*
 * The bytes of a file, read by position: the descriptor is shared with all
 * other workers, and so would be its offset.
 */
static int
read_file(const struct build *b, const char *path, struct buf *bytes,
    struct err *err)
{
	int fd = files_fd(b->files, path);
	ssize_t n;

	do {
		buf_reserve(bytes, 16384);
		n = pread(fd, bytes->data + bytes->len, 16384,
		    (off_t)bytes->len);
		if (n > 0)
			bytes->len += (size_t)n;
	} while (n > 0 && bytes->len <= PEM_BYTES_MAX);
	if (n < 0)
		return err_set_errno(err, "%s:%u: cannot read %s",
		    b->config->place.file, b->config->place.line, path);
	if (bytes->len > PEM_BYTES_MAX)
		return err_set(err, "%s:%u: %s is too long",
		    b->config->place.file, b->config->place.line, path);
	return 0;
}

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

static int
check_dates(const struct build *b, struct err *err)
{
	const char *wrong = NULL;
	char when[32];
	time_t now = time(NULL), at = 0;
	struct tm tm;

	if (b->info->not_after < now) {
		wrong = "expired on";
		at = b->info->not_after;
	} else if (b->info->not_before > now) {
		wrong = "is not valid before";
		at = b->info->not_before;
	}
	if (wrong == NULL)
		return 0;
	gmtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (b->strict)
		return err_set(err, "%s:%u: the certificate in %s %s %s",
		    b->config->place.file, b->config->place.line,
		    b->config->local_cert, wrong, when);
	buf_printf(b->warnings, "%s:%u: the certificate in %s %s %s\n",
	    b->config->place.file, b->config->place.line,
	    b->config->local_cert, wrong, when);
	return 0;
}

/* The leaf first, then its chain, as every CA hands them out. */
static int
use_chain(struct build *b, BIO *pem, struct err *err)
{
	X509 *leaf = PEM_read_bio_X509_AUX(pem, NULL, NULL, NULL);
	X509 *issuer;
	int rc = -1;

	if (leaf == NULL)
		return refuse(b, err, "no certificate (PEM) in",
		    b->config->local_cert);
	b->info->not_before = seconds(X509_get0_notBefore(leaf));
	b->info->not_after = seconds(X509_get0_notAfter(leaf));
	subject_of(leaf, b->info->subject, sizeof(b->info->subject));
	if (check_dates(b, err) == -1)
		goto out;
	if (SSL_CTX_use_certificate(b->ctx, leaf) != 1) {
		refuse(b, err, "the certificate in", b->config->local_cert);
		goto out;
	}
	while ((issuer = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(b->ctx, issuer) != 1) {
			X509_free(issuer);
			refuse(b, err, "the chain in",
			    b->config->local_cert);
			goto out;
		}
	}
	/* The loop ends with "no start line": that is the end of the file. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		refuse(b, err, "the chain in", b->config->local_cert);
		goto out;
	}
	ERR_clear_error();
	rc = 0;
out:
	X509_free(leaf);
	return rc;
}

static int
apply_certificate(struct build *b, struct err *err)
{
	struct buf bytes = BUF_INIT;
	BIO *pem;
	int rc = -1;

	if (read_file(b, b->config->local_cert, &bytes, err) == 0) {
		pem = BIO_new_mem_buf(bytes.data, (int)bytes.len);
		rc = use_chain(b, pem, err);
		BIO_free(pem);
	}
	buf_done(&bytes);
	return rc;
}

/* Instead of a prompt on the terminal. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	bool *asked = arg;

	(void)out;
	(void)size;
	(void)writing;
	*asked = true;
	return -1;
}

static int
use_key(struct build *b, BIO *pem, struct err *err)
{
	bool asked = false;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase,
	    &asked);
	int rc = 0;

	if (asked) {
		ERR_clear_error();
		rc = err_set(err, "%s:%u: the key in %s is encrypted, and "
		    "this version takes no passphrase",
		    b->config->place.file, b->config->place.line,
		    b->config->local_pk);
	} else if (key == NULL) {
		rc = refuse(b, err, "no private key (PEM) in",
		    b->config->local_pk);
	} else if (X509_check_private_key(SSL_CTX_get0_certificate(b->ctx),
	    key) != 1) {
		ERR_clear_error();
		rc = err_set(err, "%s:%u: the key in %s does not belong to "
		    "the certificate in %s", b->config->place.file,
		    b->config->place.line, b->config->local_pk,
		    b->config->local_cert);
	} else if (SSL_CTX_use_PrivateKey(b->ctx, key) != 1) {
		rc = refuse(b, err, "the key in", b->config->local_pk);
	}
	EVP_PKEY_free(key);
	return rc;
}

static int
apply_key(struct build *b, struct err *err)
{
	struct buf bytes = BUF_INIT;
	BIO *pem;
	int rc = -1;

	/* At once as large as it may get: no copy is left behind. */
	buf_reserve(&bytes, PEM_BYTES_MAX + 2 * 16384);
	if (read_file(b, b->config->local_pk, &bytes, err) == 0) {
		pem = BIO_new_mem_buf(bytes.data, (int)bytes.len);
		rc = use_key(b, pem, err);
		BIO_free(pem);
	}
	OPENSSL_cleanse(bytes.data, bytes.len);
	buf_done(&bytes);
	return rc;
}

/* RFC 7301: browsers offer http/1.1; what else is offered is not ours. */
static int
select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1,
	    in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int
apply_behaviour(struct build *b, struct err *err)
{
	(void)err;
	SSL_CTX_set_options(b->ctx, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA);
	/* A FIN without close_notify cuts no message short that a Close frame
	   does not show: it gets our close_notify, not an alert. */
	SSL_CTX_set_options(b->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* An idle connection holds no record buffer (pool.c makes that
	   cheap), and libevent may retry a write from another address. */
	SSL_CTX_set_mode(b->ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* The BIO gives what the turn received: take it in large pieces. */
	SSL_CTX_set_read_ahead(b->ctx, 1);
	SSL_CTX_set_session_cache_mode(b->ctx, SSL_SESS_CACHE_OFF);
	/* One ticket is enough for a client that comes back, and cheaper. */
	SSL_CTX_set_num_tickets(b->ctx, b->config->session_tickets ? 1 : 0);
	if (!b->config->session_tickets)
		SSL_CTX_set_options(b->ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_alpn_select_cb(b->ctx, select_alpn, NULL);
	SSL_CTX_set_verify(b->ctx, SSL_VERIFY_NONE, NULL);
	return 0;
}

static int (*const steps[])(struct build *, struct err *) = {
	apply_versions,
	apply_ciphers,
	apply_groups,
	apply_certificate,
	apply_key,
	apply_behaviour,
};

SSL_CTX *
tls_ctx_new(const struct config_context *config, const struct files *files,
    bool strict, struct tls_ctx_info *info_out, struct buf *warnings,
    struct err *err)
{
	struct tls_ctx_info info;
	struct build b = {
		.ctx = SSL_CTX_new(TLS_server_method()),
		.config = config,
		.files = files,
		.info = &info,
		.warnings = warnings,
		.strict = strict,
	};

	memset(&info, 0, sizeof(info));
	if (b.ctx == NULL) {
		refuse(&b, err, "[context]", config->name);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i](&b, err) == -1) {
			SSL_CTX_free(b.ctx);
			return NULL;
		}
	}
	*info_out = info;
	return b.ctx;
}
