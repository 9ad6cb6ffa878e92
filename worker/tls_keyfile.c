/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: the one place where a private key is read.  What was read of
 * it is wiped.  Runs in the signer, or in the workers where there is none.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "worker/tls_build.h"

#define KEY_BYTES_MAX (1u << 20)

struct passphrase {
	struct buf bytes;		/* of its file; empty: there is none */
	size_t len;			/* of the first line */
	bool asked;
};

/* Instead of a prompt on the terminal. */
static int
on_passphrase(char *out, int size, int writing, void *arg)
{
	struct passphrase *p = arg;

	(void)writing;
	p->asked = true;
	if (p->len == 0 || p->len > (size_t)size)
		return -1;
	memcpy(out, p->bytes.data, p->len);
	return (int)p->len;
}

/* A buffer that grew would leave copies behind: at once as large as it may. */
static int
read_secret(const struct tls_build *b, const char *path, struct buf *bytes,
    struct err *err)
{
	buf_reserve(bytes, KEY_BYTES_MAX + 2 * 16384);
	return tls_read_file(b, path, bytes, err);
}

static void
wipe(struct buf *bytes)
{
	if (bytes->data != NULL)
		OPENSSL_cleanse(bytes->data, bytes->len);
	buf_done(bytes);
}

static int
read_passphrase(const struct tls_build *b, struct passphrase *p,
    struct err *err)
{
	const char *path = b->config->passphrase_file;

	if (path == NULL)
		return 0;
	if (read_secret(b, path, &p->bytes, err) == -1)
		return -1;
	while (p->len < p->bytes.len && p->bytes.data[p->len] != '\n' &&
	    p->bytes.data[p->len] != '\r')
		p->len++;
	if (p->len == 0)
		return tls_error(b, err, "passphrase_file %s has nothing in "
		    "its first line", path);
	return 0;
}

static int
explain(const struct tls_build *b, const char *path,
    const struct passphrase *p, struct err *err)
{
	if (!p->asked)
		return tls_refuse(b, err, "no private key (PEM) in", path);
	ERR_clear_error();
	if (p->len == 0)
		return tls_error(b, err, "the key in %s is encrypted: "
		    "passphrase_file must say where its passphrase is", path);
	return tls_error(b, err, "the passphrase in %s is not that of the key "
	    "in %s", b->config->passphrase_file, path);
}

static EVP_PKEY *
read_key(const struct tls_build *b, const char *path, struct err *err)
{
	struct passphrase p = { BUF_INIT, 0, false };
	struct buf bytes = BUF_INIT;
	EVP_PKEY *key = NULL;
	BIO *pem;

	if (read_passphrase(b, &p, err) == 0 &&
	    read_secret(b, path, &bytes, err) == 0) {
		pem = tls_bio_of(&bytes);
		key = PEM_read_bio_PrivateKey(pem, NULL, on_passphrase, &p);
		BIO_free(pem);
		if (key == NULL)
			explain(b, path, &p, err);
	}
	wipe(&p.bytes);
	wipe(&bytes);
	return key;
}

/* Most often the chain stands before the server's own certificate. */
static int
explain_mismatch(const struct tls_build *b, STACK_OF(X509) *chain,
    EVP_PKEY *key, const char *cert_path, const char *key_path,
    struct err *err)
{
	for (int i = 1; i < sk_X509_num(chain); i++) {
		if (X509_check_private_key(sk_X509_value(chain, i),
		    key) != 1)
			continue;
		ERR_clear_error();
		return tls_error(b, err, "the key in %s belongs to "
		    "certificate %d in %s: the server's own must be the "
		    "first, its chain behind it", key_path, i + 1, cert_path);
	}
	ERR_clear_error();
	return tls_error(b, err, "the key in %s does not belong to the "
	    "certificate in %s", key_path, cert_path);
}

EVP_PKEY *
tls_load_key(const struct tls_build *b, STACK_OF(X509) *chain,
    const char *cert_path, const char *key_path, struct err *err)
{
	EVP_PKEY *key = read_key(b, key_path, err);

	if (key == NULL || X509_check_private_key(sk_X509_value(chain, 0),
	    key) == 1)
		return key;
	explain_mismatch(b, chain, key, cert_path, key_path, err);
	EVP_PKEY_free(key);
	return NULL;
}
