/* SPDX-License-Identifier: MIT */
/* Pure. */
#include "limit_ws.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX (16 * 1024 * 1024)

/*
 * Unmasks to a place in front of the source: a vector is loaded before the
 * bytes it may overlap are stored, so the loop may not be turned round.
 */
void
limit_unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t *key)
{
	uint64_t mask __attribute__((vector_size(16)));
	uint64_t word __attribute__((vector_size(16)));
	uint8_t k[16];
	size_t i;

	for (i = 0; i < sizeof(k); i++)
		k[i] = key[i & 3];
	memcpy(&mask, k, sizeof(mask));
	for (i = 0; len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		word ^= mask;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		to[i] = from[i] ^ k[i & 3];
}

/*
 * The size of the head and of the payload (RFC 6455 section 5.2); 0 when the
 * head is not all there, -1 for what a client may not send.
 */
int
limit_frame_head(const uint8_t *p, size_t len, size_t *head_out, uint64_t *size_out)
{
	uint64_t size;
	size_t head, i;

	if (len < 2)
		return 0;
	if ((p[1] & 0x80) == 0)
		return -1;
	size = p[1] & 0x7f;
	head = size == 126 ? 4 : size == 127 ? 10 : 2;
	if (len < head + 4)
		return 0;
	if (head > 2)
		for (size = 0, i = 2; i < head; i++)
			size = size << 8 | p[i];
	if (size > FRAME_MAX)
		return -1;
	*head_out = head;
	*size_out = size;
	return 1;
}

/* Sec-WebSocket-Accept: base64(SHA-1(key + GUID)), RFC 6455 section 4.2.2. */
void
limit_accept_value(const char *key, int key_len, char out[static 32])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char md[EVP_MAX_MD_SIZE];
	char text[128];
	int n;

	n = snprintf(text, sizeof(text), "%.*s%s", key_len, key, guid);
	if (!EVP_Digest(text, (size_t)n, md, NULL, EVP_sha1(), NULL))
		abort();
	EVP_EncodeBlock((unsigned char *)out, md, 20);
}
