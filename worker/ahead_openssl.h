/* SPDX-License-Identifier: MIT */
/* Where OpenSSL 3.0 on 64-bit machines keeps things; see ahead.c. */
#ifndef WSSD_WORKER_AHEAD_OPENSSL_H
#define WSSD_WORKER_AHEAD_OPENSSL_H

/* What reading and writing a record touches of an SSL: from, to. */
#define AHEAD_SSL_USED                                                        \
	{ 0, 172 }, { 384, 444 }, { 736, 744 }, { 1216, 1224 },             \
	{ 2120, 2200 }, { 2328, 2336 }, { 2536, 2600 }, { 2716, 2720 },     \
	{ 2980, 2984 }, { 3168, 3288 }, { 4776, 4840 }, { 7336, 7440 },     \
	{ 7504, 7528 }
#define AHEAD_SSL_READ 2120		/* EVP_CIPHER_CTX *, to decrypt with */
#define AHEAD_SSL_WRITE 2168		/* ... and to encrypt with */
#define AHEAD_CTX_BYTES 184
#define AHEAD_CTX_DATA 168		/* of an EVP_CIPHER_CTX: its cipher's */
#define AHEAD_CIPHER_BYTES 960		/* of AES-GCM */

#endif
