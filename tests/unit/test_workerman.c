/* SPDX-License-Identifier: MIT */
/*
 * docs/from-workerman.md: its table of PHP's ssl context is complete, and
 * says of each key what the settings table and wssd's sentences say.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/count.h"
#include "common/settings.h"

#define PAGE SOURCE_DIR "/docs/from-workerman.md"

/* PHP's manual, "SSL context options", and what PHP's source has besides. */
static const char *const php_keys[] = {
	"peer_name", "verify_peer", "verify_peer_name", "allow_self_signed",
	"cafile", "capath", "local_cert", "local_pk", "passphrase",
	"verify_depth", "ciphers", "capture_peer_cert",
	"capture_peer_cert_chain", "SNI_enabled", "disable_compression",
	"peer_fingerprint", "security_level", "crypto_method",
	"SNI_server_certs", "SNI_server_name", "alpn_protocols", "no_ticket",
	"honor_cipher_order", "dh_param", "ecdh_curve", "single_dh_use",
	"single_ecdh_use", "rsa_key_size", "min_proto_version",
	"max_proto_version", "reneg_limit", "reneg_window",
	"reneg_limit_callback",
};

static char *
read_table(void)
{
	static char text[65536];
	FILE *f = fopen(PAGE, "r");
	char *begin, *end;
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	begin = strstr(text, "## `ssl` context");
	assert_non_null(begin);
	begin = strstr(begin, "|---|---|\n");
	assert_non_null(begin);
	begin += strlen("|---|---|\n");
	end = strstr(begin, "\n\n");
	assert_non_null(end);
	*end = '\0';
	return begin;
}

/* The next `word' of the text, cut out of it; NULL: there is none. */
static char *
next_code(char **rest)
{
	char *begin = strchr(*rest, '`'), *end;

	if (begin == NULL)
		return NULL;
	end = strchr(begin + 1, '`');
	assert_non_null(end);
	*end = '\0';
	*rest = end + 1;
	return begin + 1;
}

/* A key of [context], or one that wssd has a sentence of its own for. */
static void
check_key(const char *key)
{
	struct err sentence = ERR_INIT;

	if (settings_find(SETTING_CONTEXT, key) != NULL)
		return;
	settings_explain_key(SETTING_CONTEXT, key, &sentence);
	if (strstr(sentence.text, "unknown key") != NULL)
		fail_msg("%s: %s", key, sentence.text);
}

/* "tls_min", "verify_peer = off": that there is such a setting. */
static void
check_setting(const char *code)
{
	char key[64];
	size_t len = strspn(code, "abcdefghijklmnopqrstuvwxyz_");

	if (code[len] != '\0' && strncmp(code + len, " =", 2) != 0)
		return;
	snprintf(key, sizeof(key), "%.*s", (int)len, code);
	for (size_t i = 0; i < SETTING_SECTIONS; i++) {
		if (settings_find((enum setting_section)i, key) != NULL)
			return;
	}
	fail_msg("there is no setting %s", key);
}

static void
is_right(void **state)
{
	char *rest = read_table(), *line, *code;
	bool seen[COUNT(php_keys)] = { false };

	(void)state;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *left = strtok(line, "|"), *right = strtok(NULL, "|");

		assert_non_null(right);
		while ((code = next_code(&left)) != NULL) {
			check_key(code);
			for (size_t i = 0; i < COUNT(php_keys); i++)
				seen[i] |= strcmp(php_keys[i], code) == 0;
		}
		while ((code = next_code(&right)) != NULL)
			check_setting(code);
	}
	for (size_t i = 0; i < COUNT(php_keys); i++) {
		if (!seen[i])
			fail_msg("%s is not in the table", php_keys[i]);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_right),
	};

	return cmocka_run_group_tests_name("workerman", tests, NULL, NULL);
}
