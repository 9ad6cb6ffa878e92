/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing but what it returns.  Must never make a context that accepts
 * a certificate without checking it.
 */
#include "worker/tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/assert.h"

/* Every certificate of the text; returns how many there were. */
static size_t
add_certificates(X509_STORE *store, const void *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	X509 *cert;
	size_t n = 0;

	ASSERT(bio != NULL);
	while ((cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	BIO_free(bio);
	/* The last read always fails; one CA twice is no mistake. */
	ERR_clear_error();
	return n;
}

static int
load_cafile(SSL_CTX *ctx, const char *path, int fd, struct err *err)
{
	struct stat st;
	void *map;
	size_t n;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size <= 0)
		return err_set(err, "upstream_cafile %s is empty", path);
	/* The descriptor is shared with other workers: no read(2). */
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set_errno(err, "cannot map upstream_cafile %s",
		    path);
	n = add_certificates(SSL_CTX_get_cert_store(ctx), map,
	    (size_t)st.st_size);
	munmap(map, (size_t)st.st_size);
	if (n == 0)
		return err_set(err, "upstream_cafile %s has no certificate "
		    "in PEM form", path);
	return 0;
}

SSL_CTX *
tls_client_ctx_new(const struct config_route *r, const struct files *files,
    struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	ASSERT(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (load_cafile(ctx, r->upstream_cafile,
	    files_fd(files, r->upstream_cafile), err) == -1) {
		err_prefix(err, "%s:%u", r->place.file, r->place.line);
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

void
tls_client_start(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	SSL_set_connect_state(ssl);
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* RFC 6066 §3: SNI has names, never addresses. */
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return;
	ERR_clear_error();
	if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1 ||
	    SSL_set_tlsext_host_name(ssl, host) != 1)
		ASSERT(!"a host name that the config has let pass");
}

void
tls_client_explain(SSL *ssl, bool hung_up, struct err *err)
{
	long verdict = SSL_get_verify_result(ssl);

	if (verdict != X509_V_OK)
		err_set(err, "TLS: its certificate is not accepted: %s",
		    X509_verify_cert_error_string(verdict));
	else if (hung_up)
		err_set(err, "it hung up in the TLS handshake");
	else
		err_prefix(err, "TLS");
}
