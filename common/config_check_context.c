/* SPDX-License-Identifier: MIT */
/*
 * Owns what a [context] must be like, which ones a [listen] has, and that no
 * name is in two of them.  Pure.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/alloc.h"
#include "common/config_parts.h"
#include "common/count.h"
#include "common/map.h"
#include "common/str.h"

#define SHOWN 80		/* bytes of a wrong word in a sentence */
#define NAME_BYTES_MAX 253	/* of a DNS name */
#define FINGERPRINT_DIGITS 64	/* of SHA-256 */

/* ---- which contexts a listen has ---------------------------------------- */

static void
map_contexts(struct config *c, struct map *by_name,
    struct config_errors *errors)
{
	for (size_t i = 0; i < c->n_contexts; i++) {
		struct config_context *x = &c->contexts[i];
		const struct config_context *other;

		if (map_put(by_name, x->name, strlen(x->name), x))
			continue;
		other = map_get(by_name, x->name, strlen(x->name));
		config_error(errors, x->place, "[context %s] stands already "
		    "at %s:%u", x->name, other->place.file,
		    other->place.line);
	}
}

static void
explain_context(const struct config *c, const struct config_listen *l,
    const char *name, struct config_errors *errors)
{
	const char **names = xcalloc(c->n_contexts, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < c->n_contexts; i++)
		names[i] = c->contexts[i].name;
	near = str_nearest(name, names, c->n_contexts);
	config_error(errors, config_place_of(c, l, "context"),
	    "context: there is no [context %.*s]%s%s%s", SHOWN, name,
	    near == NULL ? "" : "; did you mean `", near == NULL ? "" : near,
	    near == NULL ? "" : "'?");
	free(names);
}

static void
use_all(const struct config *c, struct config_listen *l,
    struct config_errors *errors)
{
	/* What was written, and is wrong, has been reported. */
	if (config_find_place(c, l, "context") != NULL)
		return;
	if (c->n_contexts == 0)
		config_error(errors, l->place, "transport = ssl needs a "
		    "[context] section with local_cert (or write "
		    "transport = tcp)");
	for (size_t i = 0; i < c->n_contexts; i++)
		l->contexts[l->n_contexts++] = i;
}

static void
use_named(const struct config *c, struct config_listen *l,
    const struct map *by_name, struct config_errors *errors)
{
	for (size_t i = 0; i < l->context.n; i++) {
		const char *name = l->context.items[i];
		const struct config_context *x = map_get(by_name, name,
		    strlen(name));

		if (x == NULL)
			explain_context(c, l, name, errors);
		else
			l->contexts[l->n_contexts++] =
			    (size_t)(x - c->contexts);
	}
}

static void
refuse_for_tcp(const struct config *c, const struct config_listen *l,
    struct config_errors *errors)
{
	const char *key = l->context.n > 0 ? "context" :
	    l->strict_sni ? "strict_sni" : NULL;

	if (key != NULL)
		config_error(errors, config_place_of(c, l, key), "%s: "
		    "transport = tcp has no TLS and takes none", key);
}

/* ---- names --------------------------------------------------------------- */

/* RFC 6066 section 3: a DNS name in ASCII, no address; here with a "*.". */
static const char *
name_fault(const char *name)
{
	const char *p = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
	bool digits = true;

	if (strlen(name) > NAME_BYTES_MAX)
		return "is longer than 253 bytes";
	for (size_t label = 0;; p++) {
		unsigned char ch = (unsigned char)*p;

		if (ch >= 0x80)
			return "must be written in ASCII (xn--...)";
		if (ch == '*')
			return "has a * that is not the whole first label";
		if (ch == '.' || ch == '\0') {
			if (label == 0 || label > 63)
				return "is not a host name";
			label = 0;
			if (ch == '\0')
				break;
			continue;
		}
		if (!isalnum(ch) && ch != '-' && ch != '_')
			return "is not a host name (no scheme, no port, no "
			    "path)";
		digits &= isdigit(ch) != 0;
		label++;
	}
	return digits ? "is an address, which clients do not ask for by "
	    "name" : NULL;
}

static void
check_server_names(const struct config *c, struct config_context *x,
    struct config_errors *errors)
{
	for (size_t i = 0; i < x->server_name.n; i++) {
		char *name = x->server_name.items[i];
		const char *fault = name_fault(name);

		if (fault != NULL)
			config_error(errors,
			    config_place_of(c, x, "server_name"),
			    "server_name: `%.*s' %s", SHOWN, name, fault);
		for (char *p = name; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
	}
}

/* Nobody could say which of two contexts a client would get. */
static void
check_names_of_listen(const struct config *c, const struct config_listen *l,
    struct config_errors *errors)
{
	struct map names = MAP_INIT;

	for (size_t i = 0; i < l->n_contexts; i++) {
		struct config_context *x = &c->contexts[l->contexts[i]];

		for (size_t j = 0; j < x->server_name.n; j++) {
			const char *name = x->server_name.items[j];
			const struct config_context *other;

			if (map_put(&names, name, strlen(name), x))
				continue;
			other = map_get(&names, name, strlen(name));
			config_error(errors,
			    config_place_of(c, x, "server_name"),
			    "server_name: `%.*s' is already in [context %s] "
			    "at %s:%u", SHOWN, name, other->name,
			    other->place.file, other->place.line);
		}
	}
	map_done(&names);
}

/* ---- the settings of a context -------------------------------------------- */

static void
check_pairs(const struct config *c, struct config_context *x,
    struct config_errors *errors)
{
	struct config_strings *pk = &x->local_pk;

	if (x->local_cert.n > CONFIG_PAIRS_MAX)
		config_error(errors, config_place_of(c, x, "local_cert"),
		    "local_cert: more than %d certificates", CONFIG_PAIRS_MAX);
	if (pk->n > 0 && pk->n != x->local_cert.n)
		config_error(errors, config_place_of(c, x, "local_pk"),
		    "local_pk has %zu file%s and local_cert has %zu: each "
		    "certificate needs its key", pk->n, pk->n == 1 ? "" : "s",
		    x->local_cert.n);
	if (x->ocsp_staple.n > x->local_cert.n)
		config_error(errors, config_place_of(c, x, "ocsp_staple"),
		    "ocsp_staple has more files than local_cert");
	if (pk->n > 0)
		return;
	pk->items = xcalloc(x->local_cert.n, sizeof(*pk->items));
	for (; pk->n < x->local_cert.n; pk->n++)
		pk->items[pk->n] = xstrdup(x->local_cert.items[pk->n]);
}

/* What wssd does not speak must not be agreed to. */
static void
check_alpn(const struct config *c, const struct config_context *x,
    struct config_errors *errors)
{
	static const char *const others[] = { "h2", "h2c", "h3", "http/1.0",
		"http/0.9", "acme-tls/1" };

	for (size_t i = 0; i < x->alpn_protocols.n; i++) {
		const char *name = x->alpn_protocols.items[i];

		if (strlen(name) > 255)
			config_error(errors,
			    config_place_of(c, x, "alpn_protocols"),
			    "alpn_protocols: `%.*s...' is longer than 255 "
			    "bytes", SHOWN, name);
		for (size_t j = 0; j < COUNT(others); j++) {
			if (strcasecmp(name, others[j]) == 0)
				config_error(errors,
				    config_place_of(c, x, "alpn_protocols"),
				    "alpn_protocols: wssd does not speak %s, "
				    "only http/1.1", others[j]);
		}
	}
}

/* Digits without the colons, in lower case.  False: it is none. */
static bool
fold_fingerprint(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == ':')
			continue;
		if (!isxdigit((unsigned char)*p))
			return false;
		*to++ = (char)tolower((unsigned char)*p);
	}
	*to = '\0';
	return to - text == FINGERPRINT_DIGITS;
}

static void
check_fingerprints(const struct config *c, struct config_context *x,
    struct config_errors *errors)
{
	for (size_t i = 0; i < x->peer_fingerprint.n; i++) {
		char *text = x->peer_fingerprint.items[i];

		if (!fold_fingerprint(text))
			config_error(errors,
			    config_place_of(c, x, "peer_fingerprint"),
			    "peer_fingerprint: `%.*s' is not a SHA-256 "
			    "fingerprint, which has %d hexadecimal digits: "
			    "openssl x509 -noout -fingerprint -sha256 -in "
			    "client.pem", SHOWN, text, FINGERPRINT_DIGITS);
	}
}

/* A line that does nothing is a misunderstanding. */
static void
check_unused(const struct config *c, const struct config_context *x,
    struct config_errors *errors)
{
	const struct {
		const char *key;
		bool used;
	} rows[] = {
		{ "cafile", x->cafile != NULL },
		{ "capath", x->capath != NULL },
		{ "crl", x->crl != NULL },
		{ "allow_self_signed", x->allow_self_signed },
		{ "peer_fingerprint", x->peer_fingerprint.n > 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].used)
			config_error(errors, config_place_of(c, x,
			    rows[i].key), "%s is about certificates of "
			    "clients and needs verify_peer = optional or "
			    "require", rows[i].key);
	}
}

static void
check_clients(const struct config *c, const struct config_context *x,
    struct config_errors *errors)
{
	bool any_ca = x->cafile != NULL || x->capath != NULL;

	if (x->verify_peer == CONFIG_VERIFY_OFF) {
		check_unused(c, x, errors);
		return;
	}
	if (!any_ca && !x->allow_self_signed)
		config_error(errors, config_place_of(c, x, "verify_peer"),
		    "verify_peer needs cafile or capath, the CAs of the "
		    "clients");
	if (x->crl != NULL && !any_ca)
		config_error(errors, config_place_of(c, x, "crl"),
		    "crl needs cafile or capath: a list is checked with the "
		    "certificate of its CA");
}

static void
check_context(struct config *c, struct config_context *x,
    struct config_errors *errors)
{
	if (x->tls_min > x->tls_max)
		config_error(errors, config_place_of(c, x,
		    config_find_place(c, x, "tls_max") != NULL ? "tls_max" :
		    "tls_min"), "tls_max must not be less than tls_min");
	check_server_names(c, x, errors);
	check_pairs(c, x, errors);
	check_alpn(c, x, errors);
	check_fingerprints(c, x, errors);
	check_clients(c, x, errors);
}

void
config_check_contexts(struct config *c, struct config_errors *errors)
{
	struct map by_name = MAP_INIT;

	map_contexts(c, &by_name, errors);
	for (size_t i = 0; i < c->n_contexts; i++)
		check_context(c, &c->contexts[i], errors);
	for (size_t i = 0; i < c->n_listens; i++) {
		struct config_listen *l = &c->listens[i];
		size_t most = l->context.n > c->n_contexts ? l->context.n :
		    c->n_contexts;

		l->contexts = xcalloc(most, sizeof(*l->contexts));
		if (l->transport == CONFIG_TCP)
			refuse_for_tcp(c, l, errors);
		else if (l->context.n == 0)
			use_all(c, l, errors);
		else
			use_named(c, l, &by_name, errors);
		check_names_of_listen(c, l, errors);
	}
	map_done(&by_name);
}
