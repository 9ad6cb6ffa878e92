/* SPDX-License-Identifier: MIT */
/*
 * What libcrypto looks up for every handshake is remembered.
 *
 * OpenSSL 3.0 finds an algorithm by its name: for a full handshake it fetches
 * SHA-256, TLS13-KDF and HMAC some 50 times, with locks and hash tables, and
 * goes through all names of all algorithms eight times to learn those of
 * X25519.  EVP_MD_fetch(3) says what to do about it: fetch once, and keep it.
 * libssl and libcrypto do not, but they call these functions by their public
 * names, and on Debian the program's own comes first.  Measured: 185,000
 * instructions less for a handshake, 8 %.
 *
 * Remembered is only what the default library context gives for no
 * properties, in the worker's loop; everything else goes through to
 * libcrypto's own functions.  So does all, should a libcrypto not ask the
 * program: tests/unit/test_fetched.c tells then.
 */
#ifndef WSSD_WORKER_FETCHED_H
#define WSSD_WORKER_FETCHED_H

/* Once, by the thread of the loop: what it fetches is remembered. */
void fetched_begin(void);

/*
 * Everything is looked up anew, once: after a config, whose modules may have
 * loaded a provider or set default properties.
 */
void fetched_forget(void);

#endif
