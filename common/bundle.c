/* SPDX-License-Identifier: MIT */
/*
 * Owns the texts of a config, and takes them apart that arrive as bytes.
 * Pure: bundle_load.c reads the files.
 */
#include "common/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define MAGIC 0x77737362u	/* "wssb" */

struct bundle *
bundle_new(void)
{
	return xcalloc(1, sizeof(struct bundle));
}

void
bundle_add(struct bundle *b, char *path, char *text, size_t len)
{
	b->files = xreallocarray(b->files, b->n + 1, sizeof(*b->files));
	b->files[b->n++] = (struct bundle_file){ path, text, len };
}

struct bundle *
bundle_from_text(const char *name, const char *text, size_t len)
{
	struct bundle *b = bundle_new();

	bundle_add(b, xstrdup(name), xstrndup(text, len), len);
	return b;
}

void
bundle_free(struct bundle *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n; i++) {
		free(b->files[i].path);
		free(b->files[i].text);
	}
	free(b->files);
	free(b);
}

void
bundle_put(struct buf *out, const struct bundle *b)
{
	buf_put_u32(out, MAGIC);
	buf_put_u32(out, (uint32_t)b->n);
	for (size_t i = 0; i < b->n; i++) {
		buf_put_str(out, b->files[i].path);
		buf_put_u32(out, (uint32_t)b->files[i].len);
		buf_put(out, b->files[i].text, b->files[i].len);
	}
}

static bool
get_file(struct bundle *b, struct reader *r)
{
	char path[BUNDLE_PATH_MAX + 1];
	size_t len;

	reader_str(r, path, sizeof(path));
	len = reader_u32(r);
	if (r->bad || len > BUNDLE_FILE_MAX || len > r->len) {
		r->bad = true;
		return false;
	}
	bundle_add(b, xstrdup(path), xstrndup((const char *)r->data, len), len);
	r->data += len;
	r->len -= len;
	return true;
}

struct bundle *
bundle_get(struct reader *r, struct err *err)
{
	struct bundle *b = bundle_new();
	uint32_t magic = reader_u32(r), n = reader_u32(r);

	if (magic != MAGIC || n == 0 || n > BUNDLE_FILES_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		if (!get_file(b, r))
			break;
	}
	if (reader_end(r))
		return b;
	bundle_free(b);
	err_set(err, "the config arrived damaged");
	return NULL;
}
