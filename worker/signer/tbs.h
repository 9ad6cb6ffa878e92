/* SPDX-License-Identifier: MIT */
/*
 * What a TLS server signs in a handshake, and nothing else, may be signed: a
 * worker in a stranger's hands must not get signatures for other uses of the
 * key (a client's handshake, a token, a certificate request).
 */
#ifndef WSSD_WORKER_SIGNER_TBS_H
#define WSSD_WORKER_SIGNER_TBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A server's CertificateVerify (RFC 8446 §4.4.3), or the two randoms and the
 * parameters of a ServerKeyExchange with ECDHE (RFC 8422 §5.4) or DHE (RFC
 * 5246 §7.4.3).
 */
bool tbs_is_of_server(const uint8_t *, size_t len);

#endif
