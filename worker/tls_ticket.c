/* SPDX-License-Identifier: MIT */
/* Owns nothing: the keys are the worker's. */
#include "worker/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "worker/tls_sni.h"

#define NO_TICKET 0		/* what the callback of OpenSSL returns */
#define USE 1
#define USE_AND_RENEW 2

static const struct proto_ticket_key *
find_key(const struct proto_tickets *tickets, const unsigned char *name)
{
	for (size_t i = 0; i < tickets->n; i++) {
		if (memcmp(tickets->keys[i].name, name,
		    sizeof(tickets->keys[i].name)) == 0)
			return &tickets->keys[i];
	}
	return NULL;
}

static int
set_mac(EVP_MAC_CTX *mac, const struct proto_ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		    digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_init(mac, key->mac, sizeof(key->mac), params);
}

static int
begin_ticket(const struct proto_tickets *tickets, unsigned char *name,
    unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	const struct proto_ticket_key *key = &tickets->keys[0];

	if (tickets->n == 0)
		return NO_TICKET;
	memcpy(name, key->name, sizeof(key->name));
	if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1 ||
	    EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher, iv,
	    NULL) != 1 || set_mac(mac, key) != 1)
		return -1;
	return USE;
}

int
tls_ticket_key(const struct proto_tickets *tickets, unsigned char *name,
    unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool encrypt,
    bool tls13)
{
	const struct proto_ticket_key *key;

	if (encrypt)
		return begin_ticket(tickets, name, iv, cipher, mac);
	key = find_key(tickets, name);
	if (key == NULL)
		return NO_TICKET;
	if (set_mac(mac, key) != 1 || EVP_DecryptInit_ex2(cipher,
	    EVP_aes_256_cbc(), key->cipher, iv, NULL) != 1)
		return -1;
	/* RFC 8446 appendix C.4: clients use a ticket once. */
	return key == &tickets->keys[0] && !tls13 ? USE : USE_AND_RENEW;
}

static int
on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	const struct tls_choice *choice = SSL_get_app_data(ssl);

	return tls_ticket_key(choice->named->tls->tickets, name, iv, cipher,
	    mac, encrypt != 0, SSL_version(ssl) >= TLS1_3_VERSION);
}

/*
 * Whoever was known by a certificate is no longer known when that has expired:
 * a full handshake will say so.
 */
static SSL_TICKET_RETURN
on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t len, SSL_TICKET_STATUS status, void *unused)
{
	X509 *peer;

	(void)ssl, (void)name, (void)len, (void)unused;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	peer = SSL_SESSION_get0_peer(session);
	if (peer != NULL && X509_cmp_current_time(
	    X509_get0_notAfter(peer)) <= 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE :
	    SSL_TICKET_RETURN_USE_RENEW;
}

void
tls_ticket_install(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key);
	SSL_CTX_set_session_ticket_cb(ctx, NULL, on_ticket, NULL);
}
