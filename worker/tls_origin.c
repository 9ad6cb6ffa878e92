/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: what a context is made from, as one number.  As long as it
 * stays the same a reload keeps the SSL_CTX: with thousands of contexts,
 * building all of them anew would take seconds, in which nobody is served.
 */
#include <openssl/evp.h>
#include <string.h>

#include "common/assert.h"
#include "common/settings.h"
#include "worker/tls_build.h"

static void
put(EVP_MD_CTX *md, const void *data, size_t len)
{
	ASSERT(EVP_DigestUpdate(md, data, len) == 1);
}

static void
put_number(EVP_MD_CTX *md, uint64_t number)
{
	put(md, &number, sizeof(number));
}

static void
put_string(EVP_MD_CTX *md, const char *s)
{
	put_number(md, s == NULL ? UINT64_MAX : strlen(s));
	if (s != NULL)
		put(md, s, strlen(s));
}

/* Not its bytes: a file that was written again has another time. */
static void
put_file(EVP_MD_CTX *md, const struct files *files, const char *path)
{
	const struct stat *st = path == NULL ? NULL : files_stat(files, path);

	put_string(md, path);
	if (st == NULL)
		return;
	put_number(md, st->st_dev);
	put_number(md, st->st_ino);
	put_number(md, (uint64_t)st->st_size);
	put_number(md, (uint64_t)st->st_mtim.tv_sec);
	put_number(md, (uint64_t)st->st_mtim.tv_nsec);
	put_number(md, (uint64_t)st->st_ctim.tv_sec);
	put_number(md, (uint64_t)st->st_ctim.tv_nsec);
}

static void
put_folder(EVP_MD_CTX *md, const struct files *files, const char *folder)
{
	put_string(md, folder);
	for (size_t i = 0; folder != NULL && i < files->n; i++) {
		if (files_is_in(files->items[i].path, folder))
			put_file(md, files, files->items[i].path);
	}
}

static void
put_list(EVP_MD_CTX *md, const struct setting *row,
    const struct config_strings *list, const struct files *files)
{
	put_number(md, list->n);
	for (size_t i = 0; i < list->n; i++) {
		if ((row->flags & SETTING_FILE) != 0)
			put_file(md, files, list->items[i]);
		else
			put_string(md, list->items[i]);
	}
}

static void
put_setting(EVP_MD_CTX *md, const struct setting *row, const void *object,
    const struct files *files)
{
	const void *member = (const char *)object + row->offset;

	switch (row->type) {
	case SETTING_LIST:
		put_list(md, row, member, files);
		break;
	case SETTING_STRING:
		if ((row->flags & SETTING_FOLDER) != 0)
			put_folder(md, files, *(char *const *)member);
		else if ((row->flags & SETTING_FILE) != 0)
			put_file(md, files, *(char *const *)member);
		else
			put_string(md, *(char *const *)member);
		break;
	case SETTING_BOOL:
		put_number(md, *(const bool *)member);
		break;
	default:
		put_number(md, *(const uint64_t *)member);
		break;
	}
}

void
tls_origin(const struct config_context *config,
    const struct tls_ctx_source *source, uint8_t out[TLS_ORIGIN_BYTES])
{
	size_t n;
	const struct setting *rows = settings_table(&n);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned len;

	ASSERT(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
	put_string(md, config->name);
	put_number(md, source->ticket_lifetime_ms);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].section == SETTING_CONTEXT)
			put_setting(md, &rows[i], config, source->files);
	}
	ASSERT(EVP_DigestFinal_ex(md, out, &len) == 1 &&
	    len == TLS_ORIGIN_BYTES);
	EVP_MD_CTX_free(md);
}
