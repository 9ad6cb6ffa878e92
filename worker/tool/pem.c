/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Never writes into a file that is there. */
#include "worker/tool/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"

int
tool_err(struct err *err, const char *what, const char *which)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return err_set(err, "%s %s%s%s", what, which, reason == NULL ? "" :
	    ": ", reason == NULL ? "" : reason);
}

/* OpenSSL would ask the terminal. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

/* NULL and 0: it is not there. */
static int
open_file(const char *path, FILE **file_out, struct err *err)
{
	FILE *file = fopen(path, "re");

	if (file == NULL && errno != ENOENT)
		return err_set_errno(err, "cannot read %s", path);
	*file_out = file;
	return 0;
}

int
pem_read_key(const char *path, EVP_PKEY **key_out, struct err *err)
{
	EVP_PKEY *key;
	FILE *file = NULL;

	if (open_file(path, &file, err) == -1)
		return -1;
	*key_out = NULL;
	if (file == NULL)
		return 0;
	key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
	fclose(file);
	if (key == NULL)
		return tool_err(err, "no private key (PEM) without "
		    "passphrase in", path);
	*key_out = key;
	return 0;
}

int
pem_read_cert(const char *path, X509 **cert_out, struct err *err)
{
	X509 *cert;
	FILE *file = NULL;

	if (open_file(path, &file, err) == -1)
		return -1;
	*cert_out = NULL;
	if (file == NULL)
		return 0;
	cert = PEM_read_X509(file, NULL, no_passphrase, NULL);
	fclose(file);
	if (cert == NULL)
		return tool_err(err, "no certificate (PEM) in", path);
	*cert_out = cert;
	return 0;
}

static int
write_all(int fd, BIO *pem)
{
	char *data;
	size_t len = (size_t)BIO_get_mem_data(pem, &data);
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

/* The mode is not the umask's business, in both directions. */
static int
write_file(const char *path, mode_t mode, BIO *pem, struct err *err)
{
	char *next = xasprintf("%s.new", path);
	int fd, rc = 0;

	(void)unlink(next);
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, pem) != 0 || fchmod(fd, mode) != 0 ||
	    rename(next, path) != 0)
		rc = err_set_errno(err, "cannot write %s", path);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && rc != 0)
		(void)unlink(next);
	free(next);
	return rc;
}

int
pem_write_key(const char *path, EVP_PKEY *key, struct err *err)
{
	BIO *pem = BIO_new(BIO_s_secmem());
	int rc = -1;

	if (pem == NULL || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL,
	    0, NULL, NULL) != 1)
		tool_err(err, "cannot encode", path);
	else
		rc = write_file(path, 0600, pem, err);
	BIO_free(pem);
	return rc;
}

int
pem_write_cert(const char *path, X509 *cert, struct err *err)
{
	BIO *pem = BIO_new(BIO_s_mem());
	int rc = -1;

	if (pem == NULL || PEM_write_bio_X509(pem, cert) != 1)
		tool_err(err, "cannot encode", path);
	else
		rc = write_file(path, 0644, pem, err);
	BIO_free(pem);
	return rc;
}
