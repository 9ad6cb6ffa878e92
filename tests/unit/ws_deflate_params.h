/* SPDX-License-Identifier: MIT */
/* Without context takeover, and with it; the largest window. */
#ifndef WSSD_TESTS_UNIT_WS_DEFLATE_PARAMS_H
#define WSSD_TESTS_UNIT_WS_DEFLATE_PARAMS_H

#include "worker/ws_deflate.h"

static const struct ws_deflate_params shared = {
	.agreed = true, .server_bits = 15, .client_bits = 15,
	.memory_level = 8,
};
static const struct ws_deflate_params own = {
	.agreed = true, .server_takeover = true, .client_takeover = true,
	.server_bits = 15, .client_bits = 15, .memory_level = 8,
};

#endif
