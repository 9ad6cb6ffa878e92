/* SPDX-License-Identifier: MIT */
/* common/config: what a [context] must be like, and which a [listen] has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/count.h"

#define L "[listen]\naddress = 0.0.0.0:1\n"
#define R "[route /]\nhandler = echo\n"
#define C(name) "[context " name "]\nlocal_cert = /c\n"
#define SHA256_DIGITS                                                        \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct config *
parse(const char *text, char **sentences_out)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct config *c = config_new(bundle_from_text("f", text,
	    strlen(text)), &errors);

	*sentences_out = config_errors_text(&errors);
	config_errors_done(&errors);
	return c;
}

static struct config *
parse_good(const char *text)
{
	char *sentences;
	struct config *c = parse(text, &sentences);

	assert_string_equal(sentences, "");
	assert_non_null(c);
	free(sentences);
	return c;
}

static void
takes_all_settings(void **state)
{
	struct config *c = parse_good(L R "[context a]\n"
	    "server_name = Example.ORG, *.example.org\n"
	    "local_cert = /ec.pem, /rsa.pem\n"
	    "local_pk = /ec.key, /rsa.key\n"
	    "passphrase_file = /pass\n"
	    "ocsp_staple = /a.ocsp\n"
	    "security_level = 3\n"
	    "honor_cipher_order = off\n"
	    "dh_param = /dh.pem\n"
	    "alpn_protocols = http/1.1, wss\n"
	    "verify_peer = require\n"
	    "cafile = /ca.pem\n"
	    "capath = /ca\n"
	    "verify_depth = 1\n"
	    "crl = /crl.pem\n"
	    "peer_fingerprint = " SHA256_DIGITS ", 00:11:22:33:44:55:66:77:"
	    "88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:"
	    "DD:EE:FE\n");
	const struct config_context *x = &c->contexts[0];

	(void)state;
	assert_int_equal(x->server_name.n, 2);
	assert_string_equal(x->server_name.items[0], "example.org");
	assert_string_equal(x->server_name.items[1], "*.example.org");
	assert_int_equal(x->local_cert.n, 2);
	assert_string_equal(x->local_pk.items[1], "/rsa.key");
	assert_string_equal(x->passphrase_file, "/pass");
	assert_int_equal(x->security_level, 3);
	assert_false(x->honor_cipher_order);
	assert_int_equal(x->alpn_protocols.n, 2);
	assert_int_equal(x->verify_peer, CONFIG_VERIFY_REQUIRE);
	assert_int_equal(x->verify_depth, 1);
	assert_string_equal(x->peer_fingerprint.items[0], SHA256_DIGITS);
	assert_int_equal(strlen(x->peer_fingerprint.items[1]), 64);
	config_unref(c);
}

/* Without local_pk each key is in the file of its certificate. */
static void
fills_in_keys(void **state)
{
	struct config *c = parse_good(L R "[context]\n"
	    "local_cert = /a, /b\n");

	(void)state;
	assert_int_equal(c->contexts[0].local_pk.n, 2);
	assert_string_equal(c->contexts[0].local_pk.items[1], "/b");
	config_unref(c);
}

static void
gives_a_listen_its_contexts(void **state)
{
	struct config *c = parse_good(L
	    "[listen two]\naddress = 0.0.0.0:2\ncontext = c, a\n"
	    "strict_sni = on\n"
	    "[listen plain]\naddress = 0.0.0.0:3\ntransport = tcp\n"
	    C("a") C("b") C("c") R);

	(void)state;
	assert_int_equal(c->listens[0].n_contexts, 3);
	assert_int_equal(c->listens[0].contexts[0], 0);
	assert_int_equal(c->listens[0].contexts[2], 2);
	assert_false(c->listens[0].strict_sni);
	assert_int_equal(c->listens[1].n_contexts, 2);
	assert_int_equal(c->listens[1].contexts[0], 2);
	assert_int_equal(c->listens[1].contexts[1], 0);
	assert_true(c->listens[1].strict_sni);
	assert_int_equal(c->listens[2].n_contexts, 0);
	config_unref(c);
}

/* The same name may be in contexts of different listens. */
static void
keeps_listens_apart(void **state)
{
	(void)state;
	config_unref(parse_good("[listen a]\naddress = 0.0.0.0:1\n"
	    "context = a\n[listen b]\naddress = 0.0.0.0:2\ncontext = b\n"
	    C("a") "server_name = x.example\n"
	    C("b") "server_name = x.example\n" R));
}

/* Each text stands behind L and R, so its first line is 5. */
static const struct {
	const char *text, *errors;
} wrong[] = {
	{ "[context]\nlocal_cert = /a, /b\nlocal_pk = /a\nocsp_staple = /a, "
	    "/b, /c\n",
	    "f:7: local_pk has 1 file and local_cert has 2: each certificate "
	    "needs its key\n"
	    "f:8: ocsp_staple has more files than local_cert\n" },
	{ "[context]\nlocal_cert = /a, /b, /c, /d, /e\n",
	    "f:6: local_cert: more than 4 certificates\n" },
	{ C("a") "server_name = x.example, *.x.example\n"
	    C("b") "server_name = X.example, y.example\n"
	    C("c") "server_name = *.X.example\n",
	    "f:10: server_name: `x.example' is already in [context a] at "
	    "f:5\n"
	    "f:13: server_name: `*.x.example' is already in [context a] at "
	    "f:5\n" },
	{ C("a") "server_name = https://x, a.*.b, *, 127.0.0.1, .x, a..b, "
	    "b\xc3\xbc.example, x:443, *.\n",
	    "f:7: server_name: `https://x' is not a host name (no scheme, no "
	    "port, no path)\n"
	    "f:7: server_name: `a.*.b' has a * that is not the whole first "
	    "label\n"
	    "f:7: server_name: `*' has a * that is not the whole first "
	    "label\n"
	    "f:7: server_name: `127.0.0.1' is an address, which clients do "
	    "not ask for by name\n"
	    "f:7: server_name: `.x' is not a host name\n"
	    "f:7: server_name: `a..b' is not a host name\n"
	    "f:7: server_name: `b\xc3\xbc.example' must be written in ASCII "
	    "(xn--...)\n"
	    "f:7: server_name: `x:443' is not a host name (no scheme, no "
	    "port, no path)\n"
	    "f:7: server_name: `*.' is not a host name\n" },
	{ C("a") "alpn_protocols = H2, http/1.1, h3\n",
	    "f:7: alpn_protocols: wssd does not speak h2, only http/1.1\n"
	    "f:7: alpn_protocols: wssd does not speak h3, only http/1.1\n" },
	{ C("a") "cafile = /ca\ncapath = /ca\ncrl = /crl\nverify_depth = 9\n"
	    "allow_self_signed = on\npeer_fingerprint = " SHA256_DIGITS "\n"
	    C("b") "verify_peer = optional\ncrl = /crl\n",
	    "f:7: cafile is about certificates of clients and needs "
	    "verify_peer = optional or require\n"
	    "f:8: capath is about certificates of clients and needs "
	    "verify_peer = optional or require\n"
	    "f:9: crl is about certificates of clients and needs "
	    "verify_peer = optional or require\n"
	    "f:11: allow_self_signed is about certificates of clients and "
	    "needs verify_peer = optional or require\n"
	    "f:12: peer_fingerprint is about certificates of clients and "
	    "needs verify_peer = optional or require\n"
	    "f:15: verify_peer needs cafile or capath, the CAs of the "
	    "clients\n"
	    "f:16: crl needs cafile or capath: a list is checked with the "
	    "certificate of its CA\n" },
	{ C("a") "verify_peer = require\nallow_self_signed = on\n"
	    "peer_fingerprint = 0011, 00112233445566778899aabbccddeeff00112233"
	    ", " SHA256_DIGITS "0, x" SHA256_DIGITS "\n",
	    "f:9: peer_fingerprint: `0011' is not a SHA-256 fingerprint, which "
	    "has 64 hexadecimal digits: openssl x509 -noout -fingerprint "
	    "-sha256 -in client.pem\n"
	    "f:9: peer_fingerprint: `00112233445566778899aabbccddeeff00112233'"
	    " is not a SHA-256 fingerprint, which has 64 hexadecimal digits: "
	    "openssl x509 -noout -fingerprint -sha256 -in client.pem\n"
	    "f:9: peer_fingerprint: `" SHA256_DIGITS "0' is not a SHA-256 "
	    "fingerprint, which has 64 hexadecimal digits: openssl x509 "
	    "-noout -fingerprint -sha256 -in client.pem\n"
	    "f:9: peer_fingerprint: `x" SHA256_DIGITS "' is not a SHA-256 "
	    "fingerprint, which has 64 hexadecimal digits: openssl x509 "
	    "-noout -fingerprint -sha256 -in client.pem\n" },
	{ C("a") "[listen t]\naddress = 0.0.0.0:2\ntransport = tcp\n"
	    "strict_sni = on\n",
	    "f:10: strict_sni: transport = tcp has no TLS and takes none\n" },
};

static void
reports_each_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		char *text = xasprintf("%s%s", L R, wrong[i].text);
		char *sentences;

		assert_null(parse(text, &sentences));
		assert_string_equal(sentences, wrong[i].errors);
		free(sentences);
		free(text);
	}
}

/* Thousands of them, all for the one listen. */
static void
takes_the_most(void **state)
{
	struct buf text = BUF_INIT;
	struct config *c;
	char *sentences;

	(void)state;
	buf_printf(&text, "%s", L R);
	for (int i = 0; i < CONFIG_CONTEXTS_MAX; i++)
		buf_printf(&text, "[context c%d]\nserver_name = %d.example\n"
		    "local_cert = /c\n", i, i);
	buf_put_u8(&text, 0);
	c = parse_good((const char *)text.data);
	assert_int_equal(c->listens[0].n_contexts, CONFIG_CONTEXTS_MAX);
	config_unref(c);
	text.len--;
	buf_printf(&text, "[context one-more]\nlocal_cert = /c\n");
	buf_put_u8(&text, 0);
	assert_null(parse((const char *)text.data, &sentences));
	assert_string_equal(sentences,
	    "f:12293: more than 4096 [context] sections\n");
	free(sentences);
	buf_done(&text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_all_settings),
		cmocka_unit_test(fills_in_keys),
		cmocka_unit_test(gives_a_listen_its_contexts),
		cmocka_unit_test(keeps_listens_apart),
		cmocka_unit_test(reports_each_error),
		cmocka_unit_test(takes_the_most),
	};

	return cmocka_run_group_tests_name("config_context", tests, NULL,
	    NULL);
}
