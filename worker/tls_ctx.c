/* SPDX-License-Identifier: MIT */
/*
 * Owns struct tls_ctx, and the list of small steps that make it, each of
 * which can refuse.  The longer ones are in tls_cert.c, tls_key.c,
 * tls_ocsp.c and tls_verify.c.
 */
#include "worker/tls_ctx.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/count.h"
#include "common/settings.h"
#include "worker/tls_build.h"
#include "worker/tls_sni.h"
#include "worker/tls_ticket.h"

/* Before any key or certificate: they are held to it when they are set. */
static int
apply_security(struct tls_build *b, struct err *err)
{
	(void)err;
	SSL_CTX_set_security_level(b->ctx, (int)b->config->security_level);
	return 0;
}

static int
apply_versions(struct tls_build *b, struct err *err)
{
	static const int versions[] = {
		[CONFIG_TLS_1_2] = TLS1_2_VERSION,
		[CONFIG_TLS_1_3] = TLS1_3_VERSION,
	};

	if (SSL_CTX_set_min_proto_version(b->ctx,
	    versions[b->config->tls_min]) != 1 ||
	    SSL_CTX_set_max_proto_version(b->ctx,
	    versions[b->config->tls_max]) != 1)
		return tls_refuse(b, err, "tls_min/tls_max", "");
	return 0;
}

/* Whatever the list says, what gives no privacy or no identity stays out. */
static int
apply_ciphers(struct tls_build *b, struct err *err)
{
	char *list = xasprintf("%s:!aNULL:!eNULL", b->config->ciphers);
	int ok = SSL_CTX_set_cipher_list(b->ctx, list);

	free(list);
	if (ok != 1)
		return tls_refuse(b, err, "ciphers", b->config->ciphers);
	if (SSL_CTX_set_ciphersuites(b->ctx, b->config->ciphersuites) != 1)
		return tls_refuse(b, err, "ciphersuites",
		    b->config->ciphersuites);
	return 0;
}

static int
apply_groups(struct tls_build *b, struct err *err)
{
	if (SSL_CTX_set1_groups_list(b->ctx, b->config->groups) != 1)
		return tls_refuse(b, err, "groups", b->config->groups);
	return 0;
}

/* ---- dh_param ------------------------------------------------------------- */

static bool
has_dhe(SSL_CTX *ctx)
{
	STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);

	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		if (SSL_CIPHER_get_kx_nid(sk_SSL_CIPHER_value(ciphers, i)) ==
		    NID_kx_dhe)
			return true;
	}
	return false;
}

static EVP_PKEY *
read_dh(BIO *pem)
{
	EVP_PKEY *key = NULL;
	OSSL_DECODER_CTX *decoder = OSSL_DECODER_CTX_new_for_pkey(&key, "PEM",
	    NULL, "DH", OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS, NULL, NULL);

	if (decoder != NULL)
		OSSL_DECODER_from_bio(decoder, pem);
	OSSL_DECODER_CTX_free(decoder);
	return key;
}

static int
apply_dh(struct tls_build *b, struct err *err)
{
	const char *path = b->config->dh_param;
	struct buf bytes = BUF_INIT;
	EVP_PKEY *key = NULL;
	BIO *pem;
	int rc;

	if (path == NULL)
		return 0;
	if (!has_dhe(b->ctx))
		tls_warn(b, "dh_param is not used: there is no cipher with "
		    "DHE in ciphers");
	rc = tls_read_file(b, path, &bytes, err);
	if (rc == 0) {
		pem = tls_bio_of(&bytes);
		key = read_dh(pem);
		BIO_free(pem);
		if (key == NULL)
			rc = tls_refuse(b, err, "no DH parameters (PEM) in",
			    path);
	}
	buf_done(&bytes);
	/* The key becomes the SSL_CTX's when it is taken. */
	if (key != NULL && SSL_CTX_set0_tmp_dh_pkey(b->ctx, key) != 1) {
		EVP_PKEY_free(key);
		rc = tls_refuse(b, err, "dh_param", path);
	}
	ERR_clear_error();
	return rc;
}

/* ---- behaviour ------------------------------------------------------------- */

/* RFC 7301: what is offered and is not on our list is not ours. */
static int
select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_ctx *tls = arg;
	const struct config_strings *ours = &tls->config->alpn_protocols;

	(void)ssl;
	for (size_t i = 0; i < ours->n; i++) {
		size_t len = strlen(ours->items[i]);

		/* OpenSSL has checked the lengths in the list. */
		for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
			if (in[at] != len ||
			    memcmp(in + at + 1, ours->items[i], len) != 0)
				continue;
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int
apply_behaviour(struct tls_build *b, struct err *err)
{
	(void)err;
	SSL_CTX_set_options(b->ctx, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION);
	/* A phone that puts ChaCha20 first has no AES hardware. */
	if (b->config->honor_cipher_order)
		SSL_CTX_set_options(b->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
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
	SSL_CTX_set_timeout(b->ctx, (long)(b->ticket_lifetime_ms / 1000));
	tls_ticket_install(b->ctx);
	SSL_CTX_set_alpn_select_cb(b->ctx, select_alpn, b->tls);
	tls_sni_install(b->ctx);
	return 0;
}

static int (*const steps[])(struct tls_build *, struct err *) = {
	apply_security,
	apply_versions,
	apply_ciphers,
	apply_groups,
	apply_dh,
	tls_apply_pairs,
	tls_apply_staples,
	tls_apply_verify,
	apply_behaviour,
};

/* ---- life ------------------------------------------------------------------ */

static struct config_context *
copy_config(const struct config_context *from)
{
	struct config_context *copy = xcalloc(1, sizeof(*copy));

	settings_copy(SETTING_CONTEXT, copy, from);
	copy->name = xstrdup(from->name);
	return copy;
}

/* Time may have changed it since it was loaded. */
static bool
is_sound_now(const struct tls_ctx *tls)
{
	int64_t now = time(NULL);

	return tls != NULL && tls->info.sound &&
	    tls->info.not_before <= now && now <= tls->info.not_after;
}

static int
build(struct tls_ctx *tls, const struct config_context *config,
    const struct tls_ctx_source *source, struct buf *warnings,
    struct err *err)
{
	struct tls_build b = {
		.tls = tls,
		.ctx = tls->ssl_ctx,
		.config = config,
		.files = source->files,
		.signer = source->signer,
		.info = &tls->info,
		.warnings = warnings,
		.ticket_lifetime_ms = source->ticket_lifetime_ms,
		.check = source->strict,
		.strict = source->strict || is_sound_now(source->before),
	};

	for (size_t i = 0; i < COUNT(steps); i++) {
		if (steps[i](&b, err) == -1)
			return -1;
	}
	return 0;
}

struct tls_ctx *
tls_ctx_new(const struct config_context *config,
    const struct tls_ctx_source *source, struct buf *warnings,
    struct err *err)
{
	uint8_t origin[TLS_ORIGIN_BYTES];
	struct tls_ctx *tls = source->before;
	size_t said = warnings->len;

	tls_origin(config, source, origin);
	if (is_sound_now(tls) && !tls->warned &&
	    memcmp(tls->origin, origin, sizeof(origin)) == 0) {
		tls->refs++;
		return tls;
	}
	tls = xcalloc(1, sizeof(*tls));
	tls->refs = 1;
	memcpy(tls->origin, origin, sizeof(origin));
	tls->config = copy_config(config);
	tls->tickets = source->tickets;
	tls->ssl_ctx = SSL_CTX_new(TLS_server_method());
	ASSERT(tls->ssl_ctx != NULL);
	if (build(tls, config, source, warnings, err) == 0) {
		tls->warned = warnings->len > said;
		return tls;
	}
	tls_ctx_unref(tls);
	return NULL;
}

void
tls_ctx_unref(struct tls_ctx *tls)
{
	if (tls == NULL || --tls->refs > 0)
		return;
	SSL_CTX_free(tls->ssl_ctx);
	tls_staples_free(tls->staples);
	settings_done(SETTING_CONTEXT, tls->config);
	free(tls->config->name);
	free(tls->config);
	free(tls);
}
