/* SPDX-License-Identifier: MIT */
/*
 * Owns a reference to each method that is remembered, and the names of some
 * key types.  Stands in front of EVP_MD_fetch(3), EVP_MAC_fetch(3),
 * EVP_KDF_fetch(3) and EVP_KEYMGMT_names_do_all(3), which get nothing of ours
 * to remember it in: hence the two static objects.
 */
#include "worker/fetched.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/assert.h"

#define METHODS_MAX 16		/* of one kind; what is more is looked up */
#define NAME_MAX_LEN 31
#define KEY_TYPES_MAX 8
#define NAMES_MAX 8

struct method {
	char name[NAME_MAX_LEN + 1];
	void *it;			/* an EVP_MD, EVP_MAC or EVP_KDF */
};

struct methods {
	struct method items[METHODS_MAX];
	size_t n;
};

struct key_type {
	EVP_KEYMGMT *of;
	const char *names[NAMES_MAX];	/* live as long as the library */
	size_t n;			/* above NAMES_MAX: too many */
};

typedef void names_fn(const char *name, void *arg);

/* Who comes next: libcrypto. */
static struct {
	EVP_MD *(*md)(OSSL_LIB_CTX *, const char *, const char *);
	EVP_MAC *(*mac)(OSSL_LIB_CTX *, const char *, const char *);
	EVP_KDF *(*kdf)(OSSL_LIB_CTX *, const char *, const char *);
	int (*names)(const EVP_KEYMGMT *, names_fn *, void *);
} real;

static _Thread_local struct {
	bool begun;
	struct methods mds, macs, kdfs;
	struct key_type key_types[KEY_TYPES_MAX];
	size_t n_key_types;
} memory;

/* ---- methods ------------------------------------------------------------ */

/* Where it is, or may be put; NULL: not in here. */
static struct method *
find(struct methods *known, OSSL_LIB_CTX *ctx, const char *name,
    const char *properties)
{
	struct method *m;

	if (!memory.begun || name == NULL ||
	    (properties != NULL && *properties != '\0') ||
	    (ctx != NULL && ctx != OSSL_LIB_CTX_get0_global_default()))
		return NULL;
	for (size_t i = 0; i < known->n; i++)
		if (strcmp(known->items[i].name, name) == 0)
			return &known->items[i];
	if (known->n == METHODS_MAX || strlen(name) > NAME_MAX_LEN)
		return NULL;
	m = &known->items[known->n++];
	strcpy(m->name, name);
	m->it = NULL;
	return m;
}

EVP_MD *
EVP_MD_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *properties)
{
	struct method *m = find(&memory.mds, ctx, name, properties);
	EVP_MD *it = m != NULL ? m->it : NULL;

	if (it == NULL) {
		it = real.md(ctx, name, properties);
		if (m == NULL || it == NULL)
			return it;
		m->it = it;
	}
	/* One reference is the caller's, one ours. */
	return EVP_MD_up_ref(it) ? it : NULL;
}

EVP_MAC *
EVP_MAC_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *properties)
{
	struct method *m = find(&memory.macs, ctx, name, properties);
	EVP_MAC *it = m != NULL ? m->it : NULL;

	if (it == NULL) {
		it = real.mac(ctx, name, properties);
		if (m == NULL || it == NULL)
			return it;
		m->it = it;
	}
	return EVP_MAC_up_ref(it) ? it : NULL;
}

EVP_KDF *
EVP_KDF_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *properties)
{
	struct method *m = find(&memory.kdfs, ctx, name, properties);
	EVP_KDF *it = m != NULL ? m->it : NULL;

	if (it == NULL) {
		it = real.kdf(ctx, name, properties);
		if (m == NULL || it == NULL)
			return it;
		m->it = it;
	}
	return EVP_KDF_up_ref(it) ? it : NULL;
}

/* ---- names of key types ------------------------------------------------- */

static void
note_name(const char *name, void *arg)
{
	struct key_type *t = arg;

	if (t->n < NAMES_MAX)
		t->names[t->n] = name;
	t->n++;
}

/* NULL: it is not in here. */
static const struct key_type *
key_type(const EVP_KEYMGMT *of)
{
	struct key_type *t;

	if (!memory.begun)
		return NULL;
	for (size_t i = 0; i < memory.n_key_types; i++)
		if (memory.key_types[i].of == of)
			return &memory.key_types[i];
	if (memory.n_key_types == KEY_TYPES_MAX)
		return NULL;
	t = &memory.key_types[memory.n_key_types];
	t->n = 0;
	if (!real.names(of, note_name, t) || t->n > NAMES_MAX)
		return NULL;
	/* With a reference no other can have its address. */
	t->of = (EVP_KEYMGMT *)(uintptr_t)of;
	if (!EVP_KEYMGMT_up_ref(t->of))
		return NULL;
	memory.n_key_types++;
	return t;
}

int
EVP_KEYMGMT_names_do_all(const EVP_KEYMGMT *of, names_fn *fn, void *arg)
{
	const struct key_type *t = key_type(of);

	if (t == NULL)
		return real.names(of, fn, arg);
	for (size_t i = 0; i < t->n; i++)
		fn(t->names[i], arg);
	return 1;
}

/* ---- life --------------------------------------------------------------- */

/* Before anybody can have called one of the above. */
__attribute__((constructor)) static void
find_real(void)
{
	*(void **)&real.md = dlsym(RTLD_NEXT, "EVP_MD_fetch");
	*(void **)&real.mac = dlsym(RTLD_NEXT, "EVP_MAC_fetch");
	*(void **)&real.kdf = dlsym(RTLD_NEXT, "EVP_KDF_fetch");
	*(void **)&real.names = dlsym(RTLD_NEXT, "EVP_KEYMGMT_names_do_all");
	ASSERT(real.md != NULL && real.mac != NULL && real.kdf != NULL &&
	    real.names != NULL);
}

void
fetched_begin(void)
{
	memory.begun = true;
}

void
fetched_forget(void)
{
	size_t i;

	for (i = 0; i < memory.mds.n; i++)
		EVP_MD_free(memory.mds.items[i].it);
	for (i = 0; i < memory.macs.n; i++)
		EVP_MAC_free(memory.macs.items[i].it);
	for (i = 0; i < memory.kdfs.n; i++)
		EVP_KDF_free(memory.kdfs.items[i].it);
	for (i = 0; i < memory.n_key_types; i++)
		EVP_KEYMGMT_free(memory.key_types[i].of);
	memory.mds.n = memory.macs.n = memory.kdfs.n = 0;
	memory.n_key_types = 0;
}
