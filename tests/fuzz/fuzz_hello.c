/* SPDX-License-Identifier: MIT */
/* A server's handshake messages, as the load generator reads them. */
#include <stdlib.h>

#include "tests/bench/hello_parse.h"
#include "tests/fuzz/fuzz.h"

static void
read_hello(const uint8_t *data, size_t len, struct err *err)
{
	static const uint8_t session_id[HELLO_SESSION_ID] = { 0 };
	struct server_hello hello = { 0 };

	if (parse_server_hello(data, len, session_id, &hello, err) == 0)
		check_inside(hello.share, 32, data, len);
	else
		ASSERT(err->text[0] != '\0' && hello.share == NULL);
}

static void
read_ticket(const uint8_t *data, size_t len, struct err *err)
{
	struct new_session_ticket t = { 0 };

	if (parse_new_session_ticket(data, len, &t, err) == 0) {
		check_inside(t.ticket, t.ticket_len, data, len);
		check_inside(t.nonce, t.nonce_len, data, len);
		ASSERT(t.ticket_len > 0 && t.nonce_len < 256);
	} else {
		ASSERT(err->text[0] != '\0' && t.ticket == NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned which = input_u8(&in) % 5;
	uint8_t *copy = exact_copy(in.data, in.len);
	struct err err = ERR_INIT;

	if (which == 0)
		read_hello(copy, in.len, &err);
	else if (which == 1)
		read_ticket(copy, in.len, &err);
	else if (which == 2)
		(void)parse_encrypted_extensions(copy, in.len, &err);
	else if (which == 3)
		(void)parse_certificate(copy, in.len, &err);
	else
		(void)parse_certificate_verify(copy, in.len, &err);
	free(copy);
	return 0;
}
