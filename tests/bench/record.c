/* SPDX-License-Identifier: MIT */
/* Owns the cipher of one direction; no socket, no connection. */
#include "record.h"

#include <string.h>

#define TAG_LEN 16

void
record_keys_init(struct record_keys *k, struct crypto *c,
    const uint8_t *secret, int seal)
{
	uint8_t key[16];

	crypto_expand(c, secret, "key", NULL, 0, key, sizeof(key));
	crypto_expand(c, secret, "iv", NULL, 0, k->iv, sizeof(k->iv));
	k->seq = 0;
	if (k->cipher == NULL)
		k->cipher = EVP_CIPHER_CTX_new();
	crypto_must(k->cipher != NULL);
	crypto_must(EVP_CipherInit_ex(k->cipher, c->aes_128_gcm, NULL, key,
	    NULL, seal));
}

void
record_keys_done(struct record_keys *k)
{
	EVP_CIPHER_CTX_free(k->cipher);
	k->cipher = NULL;
}

/* RFC 8446 section 5.3: the sequence number, xored into the iv. */
static void
next_nonce(struct record_keys *k, uint8_t nonce[static 12])
{
	uint64_t seq = k->seq++;
	int i;

	memcpy(nonce, k->iv, 12);
	for (i = 11; i >= 4; i--, seq >>= 8)
		nonce[i] ^= (uint8_t)seq;
}

size_t
record_seal(struct record_keys *k, uint8_t type, const uint8_t *data,
    size_t len, uint8_t *out)
{
	size_t body = len + 1 + TAG_LEN;
	uint8_t nonce[12], *tag;
	int n;

	out[0] = RECORD_DATA;
	out[1] = 3;
	out[2] = 3;
	out[3] = (uint8_t)(body >> 8);
	out[4] = (uint8_t)body;
	next_nonce(k, nonce);
	crypto_must(EVP_EncryptInit_ex(k->cipher, NULL, NULL, NULL, nonce));
	crypto_must(EVP_EncryptUpdate(k->cipher, NULL, &n, out, RECORD_HEAD));
	crypto_must(EVP_EncryptUpdate(k->cipher, out + RECORD_HEAD, &n, data,
	    (int)len));
	crypto_must(EVP_EncryptUpdate(k->cipher, out + RECORD_HEAD + len, &n,
	    &type, 1));
	tag = out + RECORD_HEAD + len + 1;
	crypto_must(EVP_EncryptFinal_ex(k->cipher, tag, &n));
	crypto_must(EVP_CIPHER_CTX_ctrl(k->cipher, EVP_CTRL_AEAD_GET_TAG,
	    TAG_LEN, tag));
	return RECORD_HEAD + body;
}

long
record_length(const uint8_t *data, size_t len, struct err *err)
{
	size_t body;

	if (len < RECORD_HEAD)
		return 0;
	body = (size_t)data[3] << 8 | data[4];
	if (data[0] != RECORD_DATA || data[1] != 3 ||
	    body > RECORD_MAX - RECORD_HEAD)
		return err_set(err, "not a TLS 1.3 record (type %u, %zu bytes)",
		    data[0], body);
	return (long)(RECORD_HEAD + body);
}

int
record_open(struct record_keys *k, uint8_t *record, size_t len,
    uint8_t *type_out, size_t *len_out, struct err *err)
{
	uint8_t *body = record + RECORD_HEAD, nonce[12];
	size_t plain;
	int n;

	if (len < RECORD_OVERHEAD)
		return err_set(err, "a record of %zu bytes", len);
	plain = len - RECORD_HEAD - TAG_LEN;
	next_nonce(k, nonce);
	crypto_must(EVP_DecryptInit_ex(k->cipher, NULL, NULL, NULL, nonce));
	crypto_must(EVP_DecryptUpdate(k->cipher, NULL, &n, record,
	    RECORD_HEAD));
	crypto_must(EVP_DecryptUpdate(k->cipher, body, &n, body, (int)plain));
	crypto_must(EVP_CIPHER_CTX_ctrl(k->cipher, EVP_CTRL_AEAD_SET_TAG,
	    TAG_LEN, body + plain));
	if (EVP_DecryptFinal_ex(k->cipher, body + plain, &n) != 1)
		return err_set(err, "a record that does not authenticate");
	/* The content type is the last byte that is not padding. */
	while (plain > 0 && body[plain - 1] == 0)
		plain--;
	if (plain == 0)
		return err_set(err, "a record without content type");
	*type_out = body[plain - 1];
	*len_out = plain - 1;
	return 0;
}
