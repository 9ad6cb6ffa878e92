/* SPDX-License-Identifier: MIT */
/*
 * Owns what is said of a key that is not in the table: people come from
 * Workerman, PHP and nginx, and make typing errors.  Pure.
 */
#include <string.h>
#include <strings.h>

#include "common/assert.h"
#include "common/settings.h"
#include "common/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
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
	{ SETTING_CONTEXT, "server_name" },
	{ SETTING_CONTEXT, "passphrase" },
	{ SETTING_CONTEXT, "passphrase_file" },
	{ SETTING_CONTEXT, "cafile" },
	{ SETTING_CONTEXT, "capath" },
	{ SETTING_CONTEXT, "crl" },
	{ SETTING_CONTEXT, "verify_depth" },
	{ SETTING_CONTEXT, "verify_peer_name" },
	{ SETTING_CONTEXT, "allow_self_signed" },
	{ SETTING_CONTEXT, "peer_name" },
	{ SETTING_CONTEXT, "peer_fingerprint" },
	{ SETTING_CONTEXT, "capture_peer_cert" },
	{ SETTING_CONTEXT, "capture_peer_cert_chain" },
	{ SETTING_CONTEXT, "SNI_enabled" },
	{ SETTING_CONTEXT, "SNI_server_certs" },
	{ SETTING_CONTEXT, "SNI_server_name" },
	{ SETTING_CONTEXT, "disable_compression" },
	{ SETTING_CONTEXT, "crypto_method" },
	{ SETTING_CONTEXT, "security_level" },
	{ SETTING_CONTEXT, "honor_cipher_order" },
	{ SETTING_CONTEXT, "dh_param" },
	{ SETTING_CONTEXT, "ecdh_curve" },
	{ SETTING_CONTEXT, "alpn_protocols" },
	{ SETTING_CONTEXT, "no_ticket" },
	{ SETTING_CONTEXT, "ticket_key_file" },
	{ SETTING_ROUTE, "room" },
	{ SETTING_ROUTE, "compression" },
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
