/* SPDX-License-Identifier: MIT */
/*
 * What a worker asks to have signed: nothing but what a server signs in a
 * handshake.
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "worker/signer/tbs.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = exact_copy(data, size);

	if (tbs_is_of_server(copy, size)) {
		uint8_t *longer = xmalloc(size + 1);

		/* The shortest has two randoms and a point; a certificate
		   request or a token in text begins otherwise. */
		ASSERT(size > 64 + 4);
		/* With a byte more, the lengths in it are wrong. */
		memcpy(longer, copy, size);
		longer[size] = 0;
		ASSERT(!tbs_is_of_server(longer, size + 1));
		free(longer);
	}
	free(copy);
	return 0;
}
