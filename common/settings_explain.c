/* SPDX-License-Identifier: MIT */
/*
 * Owns what is said of a key that is not in the table: people come from
 * Workerman, PHP and nginx, and make typing errors.  Pure.
 */
#include <string.h>
#include <strings.h>

#include "common/assert.h"
#include "common/count.h"
#include "common/settings.h"
#include "common/str.h"

#define SHOWN 80		/* bytes of a wrong word in a sentence */
#define NAMES_MAX 64		/* keys of one section */

/* Known, and wanted by people, but not there yet. */
static const struct {
	enum setting_section section;
	const char *key;
} not_yet[] = {
	{ SETTING_LISTEN, "proxy_protocol" },
	{ SETTING_LISTEN, "trusted_proxies" },
	{ SETTING_LISTEN, "reuse_port" },
	{ SETTING_ROUTE, "room" },
	{ SETTING_ROUTE, "compression" },
};

/*
 * Keys of PHP's ssl context that have no row: what to do instead, behind the
 * key.  docs/from-workerman.md has the whole table.
 */
#define NOT_NEEDED "is not needed, take the line away: "

static const struct {
	const char *key, *sentence;
} instead[] = {
	{ "passphrase", "does not belong into this file: write "
	    "passphrase_file = FILE, whose first line is the passphrase" },
	{ "ecdh_curve", "is called groups here: write groups = X25519:P-256" },
	{ "crypto_method", "is not there: write tls_min and tls_max, which "
	    "are 1.2 and 1.3" },
	{ "min_proto_version", "is not there: write tls_min, which is 1.2 or "
	    "1.3" },
	{ "max_proto_version", "is not there: write tls_max, which is 1.2 or "
	    "1.3" },
	{ "no_ticket", "is not there: write session_tickets = off" },
	{ "SNI_server_certs", "is not there: write a [context NAME] with "
	    "server_name, local_cert and local_pk for each name" },
	{ "SNI_server_name", "is for clients; what a server answers to is "
	    "server_name" },
	{ "SNI_enabled", NOT_NEEDED "a client's server name is always "
	    "looked at" },
	{ "peer_name", "is for clients; certificates of clients are checked "
	    "by verify_peer, cafile and peer_fingerprint" },
	{ "verify_peer_name", "is for clients; certificates of clients are "
	    "checked by verify_peer, cafile and peer_fingerprint" },
	{ "disable_compression", NOT_NEEDED "TLS compression is always off" },
	{ "capture_peer_cert", NOT_NEEDED "a handler can always ask for the "
	    "client's certificate" },
	{ "capture_peer_cert_chain", NOT_NEEDED "a handler can always ask "
	    "for the client's certificate" },
	{ "single_dh_use", NOT_NEEDED "keys for the key exchange are never "
	    "used twice" },
	{ "single_ecdh_use", NOT_NEEDED "keys for the key exchange are never "
	    "used twice" },
	{ "rsa_key_size", NOT_NEEDED "there are no temporary RSA keys" },
	{ "reneg_limit", NOT_NEEDED "renegotiation is always off" },
	{ "reneg_window", NOT_NEEDED "renegotiation is always off" },
	{ "reneg_limit_callback", NOT_NEEDED "renegotiation is always off" },
};

/* What other programs call it. */
static const struct {
	const char *theirs, *ours;
} elsewhere[] = {
	{ "count", "workers" },
	{ "worker_processes", "workers" },
	{ "logFile", "log" },
	{ "stdoutFile", "log" },
	{ "error_log", "log" },
	{ "pidFile", "run_dir" },
	{ "pid", "run_dir" },
	{ "socket_name", "address" },
	{ "bind", "address" },
	{ "port", "address" },
	{ "ssl", "transport" },
	{ "cert", "local_cert" },
	{ "certificate", "local_cert" },
	{ "ssl_certificate", "local_cert" },
	{ "key", "local_pk" },
	{ "private_key", "local_pk" },
	{ "ssl_certificate_key", "local_pk" },
	{ "ssl_ciphers", "ciphers" },
	{ "ssl_ecdh_curve", "groups" },
	{ "ssl_dhparam", "dh_param" },
	{ "ssl_client_certificate", "cafile" },
	{ "ssl_verify_client", "verify_peer" },
	{ "ssl_verify_depth", "verify_depth" },
	{ "ssl_crl", "crl" },
	{ "ssl_password_file", "passphrase_file" },
	{ "ssl_stapling_file", "ocsp_staple" },
	{ "ssl_protocols", "tls_min" },
	{ "ssl_prefer_server_ciphers", "honor_cipher_order" },
	{ "pingInterval", "ping_interval" },
	{ "maxPackageSize", "max_message" },
	{ "maxSendBufferSize", "output_high" },
};

static bool
is_not_yet(enum setting_section section, const char *key)
{
	for (size_t i = 0; i < COUNT(not_yet); i++) {
		if (not_yet[i].section == section &&
		    strcmp(not_yet[i].key, key) == 0)
			return true;
	}
	return false;
}

static const char *
find_instead(const char *key)
{
	for (size_t i = 0; i < COUNT(instead); i++) {
		if (strcmp(instead[i].key, key) == 0)
			return instead[i].sentence;
	}
	return NULL;
}

/* The section's key that other programs call so, or NULL. */
static const char *
find_elsewhere(enum setting_section section, const char *key)
{
	for (size_t i = 0; i < COUNT(elsewhere); i++) {
		if (strcasecmp(elsewhere[i].theirs, key) == 0 &&
		    settings_find(section, elsewhere[i].ours) != NULL)
			return elsewhere[i].ours;
	}
	return NULL;
}

static const char *
find_near(enum setting_section section, const char *key)
{
	const char *names[NAMES_MAX];
	size_t n_rows, n = 0;
	const struct setting *rows = settings_table(&n_rows);

	for (size_t i = 0; i < n_rows; i++) {
		if (rows[i].section != section)
			continue;
		ASSERT(n < NAMES_MAX);
		names[n++] = rows[i].key;
	}
	return str_nearest(key, names, n);
}

void
settings_explain_key(enum setting_section section, const char *key,
    struct err *out)
{
	const char *name = setting_section_name(section);
	const char *meant;

	if (is_not_yet(section, key)) {
		err_set(out, "`%s' is not supported by this version", key);
		return;
	}
	meant = find_instead(key);
	if (meant != NULL) {
		err_set(out, "`%s' %s", key, meant);
		return;
	}
	meant = find_elsewhere(section, key);
	if (meant != NULL) {
		err_set(out, "unknown key `%s' in [%s]; here it is `%s'", key,
		    name, meant);
		return;
	}
	for (size_t i = 0; i < SETTING_SECTIONS; i++) {
		enum setting_section other = (enum setting_section)i;

		if (settings_find(other, key) == NULL &&
		    !is_not_yet(other, key))
			continue;
		err_set(out, "unknown key `%.*s' in [%s]; it belongs to [%s]",
		    SHOWN, key, name, setting_section_name(other));
		return;
	}
	meant = find_near(section, key);
	if (meant != NULL) {
		err_set(out, "unknown key `%.*s' in [%s]; did you mean `%s'?",
		    SHOWN, key, name, meant);
		return;
	}
	for (size_t i = 0; i < SETTING_SECTIONS; i++) {
		enum setting_section other = (enum setting_section)i;

		meant = find_near(other, key);
		if (meant == NULL)
			continue;
		err_set(out, "unknown key `%.*s' in [%s]; did you mean `%s', "
		    "which belongs to [%s]?", SHOWN, key, name, meant,
		    setting_section_name(other));
		return;
	}
	err_set(out, "unknown key `%.*s' in [%s]", SHOWN, key, name);
}

void
settings_explain_section(const char *kind, struct err *out)
{
	const char *names[SETTING_SECTIONS];
	const char *meant;

	for (size_t i = 0; i < SETTING_SECTIONS; i++)
		names[i] = setting_section_name((enum setting_section)i);
	meant = str_nearest(kind, names, SETTING_SECTIONS);
	if (meant != NULL)
		err_set(out, "unknown section [%.*s]; did you mean [%s]?",
		    SHOWN, kind, meant);
	else
		err_set(out, "unknown section [%.*s]: there are [wssd], "
		    "[listen], [context] and [route]", SHOWN, kind);
}
