/* SPDX-License-Identifier: MIT */
/* worker/tls_peer: hostile certificates become printable strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "worker/tls_peer.h"

static X509 *
make_cert(void)
{
	X509 *cert = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");

	X509_set_version(cert, 2);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	EVP_PKEY_free(key);
	return cert;
}

static void
add_name(GENERAL_NAMES *names, int type, const char *bytes, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = type == GEN_IPADD ? ASN1_OCTET_STRING_new() :
	    ASN1_IA5STRING_new();

	ASN1_STRING_set(string, bytes, len);
	GENERAL_NAME_set0_value(name, type, string);
	sk_GENERAL_NAME_push(names, name);
}

static void
check_printable(const char *text)
{
	for (; *text != '\0'; text++)
		assert_in_range((unsigned char)*text, ' ', '~');
}

static void
takes_plain_ones(void **state)
{
	X509 *cert = make_cert();
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct wss_peer *peer;

	(void)state;
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "O",
	    MBSTRING_UTF8, (const unsigned char *)"Example", -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_UTF8, (const unsigned char *)"J\xc3\xbcrgen", -1, -1,
	    0);
	add_name(names, GEN_DNS, "a.example", 9);
	add_name(names, GEN_EMAIL, "a@b", 3);
	add_name(names, GEN_URI, "urn:x", 5);
	add_name(names, GEN_IPADD, "\xc0\0\2\7", 4);
	add_name(names, GEN_IPADD, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1",
	    16);
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
	peer = tls_peer_of(cert);
	assert_string_equal(peer->subject, "CN=J\\C3\\BCrgen,O=Example");
	assert_string_equal(peer->issuer, "");
	assert_int_equal(strlen(peer->fingerprint), 64);
	assert_string_equal(peer->names[0], "DNS:a.example");
	assert_string_equal(peer->names[1], "email:a@b");
	assert_string_equal(peer->names[2], "URI:urn:x");
	assert_string_equal(peer->names[3], "IP:192.0.2.7");
	assert_string_equal(peer->names[4], "IP:2001:db8::1");
	assert_null(peer->names[5]);
	tls_peer_free(peer);
	GENERAL_NAMES_free(names);
	X509_free(cert);
}

static void
tames_hostile_ones(void **state)
{
	static char big[5000];
	X509 *cert = make_cert();
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct wss_peer *peer;
	size_t n = 0;

	(void)state;
	memset(big, 'x', sizeof(big));
	X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
	    NID_commonName, V_ASN1_UTF8STRING, (const unsigned char *)
	    "a\0b\r\nX-Evil: \x1b[2J\"", 18, -1, 0);
	for (int i = 0; i < 40; i++)
		X509_NAME_add_entry_by_NID(X509_get_issuer_name(cert),
		    NID_organizationName, V_ASN1_UTF8STRING,
		    (const unsigned char *)big, 60, -1, 0);
	add_name(names, GEN_DNS, "a\0.example\r\n\x7f\xff\"", 15);
	add_name(names, GEN_IPADD, "12345", 5);
	add_name(names, GEN_URI, big, sizeof(big));
	for (int i = 0; i < 100; i++)
		add_name(names, GEN_DNS, "x", 1);
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
	peer = tls_peer_of(cert);
	check_printable(peer->subject);
	assert_non_null(strstr(peer->subject, "\\00"));
	check_printable(peer->issuer);
	assert_true(strlen(peer->issuer) < TLS_PEER_TEXT_MAX);
	for (; peer->names[n] != NULL; n++) {
		check_printable(peer->names[n]);
		assert_true(strlen(peer->names[n]) < TLS_PEER_TEXT_MAX + 8);
	}
	assert_int_equal(n, TLS_PEER_NAMES_MAX);
	assert_string_equal(peer->names[0],
	    "DNS:a\\x00.example\\x0d\\x0a\\x7f\\xff\\\"");
	assert_non_null(strstr(peer->names[1], "URI:xxx"));
	tls_peer_free(peer);
	tls_peer_free(NULL);
	GENERAL_NAMES_free(names);
	X509_free(cert);
}

/* All fields may be missing. */
static void
takes_an_empty_one(void **state)
{
	X509 *cert = make_cert();
	struct wss_peer *peer = tls_peer_of(cert);

	(void)state;
	assert_string_equal(peer->subject, "");
	assert_null(peer->names[0]);
	assert_true(peer->not_after > 1700000000);
	tls_peer_free(peer);
	X509_free(cert);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_plain_ones),
		cmocka_unit_test(tames_hostile_ones),
		cmocka_unit_test(takes_an_empty_one),
	};

	return cmocka_run_group_tests_name("tls_peer", tests, NULL, NULL);
}
