/* SPDX-License-Identifier: MIT */
/* Owns nothing: what every step of building an SSL_CTX needs. */
#include "worker/tls_build.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"

#define FILE_BYTES_MAX (1u << 20)

/* ---- sentences ------------------------------------------------------------ */

void
tls_give_reason(const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "%s", text);
}

void
tls_reason(char *out, size_t size)
{
	const char *data, *text = NULL;
	int flags;
	unsigned long code = ERR_peek_error_all(NULL, NULL, NULL, &data,
	    &flags);

	out[0] = '\0';
	if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_USER &&
	    (flags & ERR_TXT_STRING) != 0)
		text = data;
	else if (code != 0)
		text = ERR_reason_error_string(code);
	if (code != 0)
		snprintf(out, size, "%s", text != NULL ? text :
		    "unknown OpenSSL error");
	ERR_clear_error();
}

int
tls_refuse(const struct tls_build *b, struct err *err, const char *text,
    const char *value)
{
	char reason[128];

	tls_reason(reason, sizeof(reason));
	return tls_error(b, err, "%s %s: %s", text, value,
	    reason[0] != '\0' ? reason : "refused by OpenSSL");
}

static void
sentence(const struct tls_build *b, char out[ERR_TEXT_MAX], const char *fmt,
    va_list ap)
{
	int n = snprintf(out, ERR_TEXT_MAX, "%s:%u: ", b->config->place.file,
	    b->config->place.line);

	ASSERT(n >= 0);
	if (n < ERR_TEXT_MAX)
		vsnprintf(out + n, ERR_TEXT_MAX - (size_t)n, fmt, ap);
}

int
tls_error(const struct tls_build *b, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	sentence(b, text, fmt, ap);
	va_end(ap);
	return err_set(err, "%s", text);
}

void
tls_warn(const struct tls_build *b, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	sentence(b, text, fmt, ap);
	va_end(ap);
	buf_printf(b->warnings, "%s\n", text);
}

int
tls_complain(const struct tls_build *b, struct err *err, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	sentence(b, text, fmt, ap);
	va_end(ap);
	if (b->strict)
		return err_set(err, "%s", text);
	buf_printf(b->warnings, "%s\n", text);
	b->info->sound = false;
	return 0;
}

int
tls_complain_of_age(const struct tls_build *b, struct err *err,
    const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	sentence(b, text, fmt, ap);
	va_end(ap);
	if (b->check)
		return err_set(err, "%s", text);
	buf_printf(b->warnings, "%s\n", text);
	return 0;
}

void
tls_name_of(const X509 *cert, char *out, size_t size)
{
	X509_NAME *name = X509_get_subject_name(cert);

	if (X509_NAME_get_text_by_NID(name, NID_commonName, out,
	    (int)size) <= 0)
		X509_NAME_oneline(name, out, (int)size);
	for (char *p = out; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = '?';
	}
}

void
tls_date(int64_t seconds, char *out, size_t size)
{
	time_t at = (time_t)seconds;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(out, size, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

/* ---- files ------------------------------------------------------------------ */

int
tls_read_file(const struct tls_build *b, const char *path, struct buf *bytes,
    struct err *err)
{
	int fd = files_fd(b->files, path);
	size_t first = bytes->len;
	ssize_t n;

	do {
		buf_reserve(bytes, 16384);
		n = pread(fd, bytes->data + bytes->len, 16384,
		    (off_t)(bytes->len - first));
		if (n > 0)
			bytes->len += (size_t)n;
	} while (n > 0 && bytes->len - first <= FILE_BYTES_MAX);
	if (n < 0)
		return err_set_errno(err, "%s:%u: cannot read %s",
		    b->config->place.file, b->config->place.line, path);
	if (bytes->len - first > FILE_BYTES_MAX)
		return tls_error(b, err, "%s is too long", path);
	return 0;
}

BIO *
tls_bio_of(const struct buf *bytes)
{
	BIO *bio = BIO_new_mem_buf(bytes->data, (int)bytes->len);

	ASSERT(bio != NULL);
	return bio;
}

bool
tls_pem_end(void)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}
