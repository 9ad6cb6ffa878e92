/* SPDX-License-Identifier: MIT */
/* Owns nothing.  What it has read of a key is wiped. */
#include "master/redact.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"

#define BYTES_MAX (1u << 20)	/* files.c lets no longer one through */

static const char begin[] = "-----BEGIN ";
static const char end[] = "-----END ";
static const char secret[] = "PRIVATE KEY-----";

/* Behind the line at the position. */
static size_t
next_line(const char *text, size_t len, size_t at)
{
	const char *newline = memchr(text + at, '\n', len - at);

	return newline == NULL ? len : (size_t)(newline - text) + 1;
}

static bool
has(const char *line, size_t len, const char *word)
{
	return memmem(line, len, word, strlen(word)) != NULL;
}

size_t
redact_text(char *text, size_t len)
{
	size_t kept = 0, next;
	bool hidden = false;

	for (size_t at = 0; at < len; at = next) {
		const char *line = text + at;
		bool last;

		next = next_line(text, len, at);
		if (has(line, next - at, begin) && has(line, next - at,
		    secret))
			hidden = true;
		last = hidden && has(line, next - at, end);
		if (!hidden) {
			memmove(text + kept, line, next - at);
			kept += next - at;
		}
		hidden = hidden && !last;
	}
	return kept;
}

static int
make_copy(const char *text, size_t len, struct err *err)
{
	int fd = memfd_create("wssd-certificate", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
		err_set_errno(err, "cannot make a memfd");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int
redact_file(int fd, int *fd_out, struct err *err)
{
	char *text = xmalloc(BYTES_MAX);
	ssize_t n = pread(fd, text, BYTES_MAX, 0);
	size_t left;
	int copy, rc = 0;

	if (n < 0) {
		free(text);
		return err_set_errno(err, "cannot read it");
	}
	left = redact_text(text, (size_t)n);
	if (left < (size_t)n) {
		copy = make_copy(text, left, err);
		if (copy >= 0)
			*fd_out = copy;
		else
			rc = -1;
	}
	explicit_bzero(text, (size_t)n);
	free(text);
	return rc;
}
