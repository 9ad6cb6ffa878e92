/* SPDX-License-Identifier: MIT */
/*
 * The keys of session tickets: the ring that the master rotates, keys from a
 * file, and what a worker does with them.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "master/edition.h"
#include "master/tickets.h"
#include "worker/tls_ticket.h"

#define H 3600000u

static struct config config;
static struct edition edition;

static void
use(struct tickets *t, uint64_t rotate_ms, uint64_t overlap_ms, uint64_t now)
{
	config.daemon.ticket_rotate_ms = rotate_ms;
	config.daemon.ticket_overlap_ms = overlap_ms;
	edition.config = &config;
	assert_int_equal(tickets_use(t, &edition, now, NULL), 0);
}

static bool
same(const struct proto_ticket_key *a, const struct proto_ticket_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- the ring ----------------------------------------------------------------- */

static void
rotates(void **state)
{
	struct tickets t = { .rotate_ms = 0 };
	struct proto_tickets a, b;

	(void)state;
	use(&t, 2 * H, 3 * H, 0);
	a = t.ring;
	assert_int_equal(a.n, 2);
	assert_false(same(&a.keys[0], &a.keys[1]));
	assert_int_equal(tickets_tick(&t, 2 * H - 1, NULL), 0);
	assert_memory_equal(&t.ring, &a, sizeof(a));

	/* what comes next was known before; the old one stays */
	assert_int_equal(tickets_tick(&t, 2 * H, NULL), 1);
	assert_int_equal(t.ring.n, 3);
	assert_true(same(&t.ring.keys[0], &a.keys[1]));
	assert_true(same(&t.ring.keys[2], &a.keys[0]));
	assert_int_equal(tickets_tick(&t, 2 * H, NULL), 0);
	b = t.ring;
	assert_int_equal(tickets_tick(&t, 4 * H, NULL), 1);
	assert_true(same(&t.ring.keys[0], &b.keys[1]));
	assert_true(same(&t.ring.keys[2], &b.keys[0]));
	assert_true(same(&t.ring.keys[3], &a.keys[0]));

	/* 3 h after it went out of use, and nothing is left of it */
	assert_int_equal(tickets_tick(&t, 5 * H - 1, NULL), 0);
	assert_int_equal(tickets_tick(&t, 5 * H, NULL), 1);
	assert_int_equal(t.ring.n, 3);
	memset(&a, 0, sizeof(a));
	assert_true(same(&t.ring.keys[3], &a.keys[0]));
	tickets_done(&t);
	assert_memory_equal(&t.ring, &a, sizeof(a));
}

static void
is_bounded(void **state)
{
	struct tickets t = { .rotate_ms = 0 };

	(void)state;
	use(&t, H, 12 * H, 0);
	for (uint64_t i = 1; i < 40; i++) {
		assert_int_equal(tickets_tick(&t, i * H, NULL), 1);
		assert_true(t.ring.n <= 2 + 12);
	}
	assert_int_equal(t.ring.n, 2 + 12);
	/* a shorter period does not drop what is promised, and has room */
	use(&t, 1000, 12000, 40 * H);
	for (uint64_t i = 1; i < 40; i++)
		assert_int_equal(tickets_tick(&t, 40 * H + i * 1000, NULL),
		    1);
	assert_true(t.ring.n <= PROTO_TICKET_KEYS_MAX);
}

/* A reload with the same settings does not begin anew. */
static void
survives_a_reload(void **state)
{
	struct tickets t = { .rotate_ms = 0 };
	struct proto_tickets a;

	(void)state;
	use(&t, 2 * H, 2 * H, 0);
	a = t.ring;
	use(&t, 2 * H, 2 * H, H);
	assert_memory_equal(&t.ring, &a, sizeof(a));
	assert_int_equal(tickets_tick(&t, 2 * H, NULL), 1);
	use(&t, 10 * H, 2 * H, 2 * H);
	assert_int_equal(tickets_tick(&t, 12 * H - 1, NULL), 1);
	assert_int_equal(t.ring.n, 2);
	assert_int_equal(tickets_tick(&t, 12 * H, NULL), 1);
}

static void
takes_keys_of_a_file(void **state)
{
	struct tickets t = { .rotate_ms = 0 };
	struct proto_tickets mine;

	(void)state;
	use(&t, H, H, 0);
	mine = t.ring;
	edition.ticket_keys.n = 1;
	memset(&edition.ticket_keys.keys[0], 7, 80);
	use(&t, H, H, 0);
	assert_int_equal(t.ring.n, 1);
	assert_int_equal(t.ring.keys[0].cipher[31], 7);
	assert_int_equal(tickets_tick(&t, 100 * H, NULL), 0);
	assert_int_equal(t.ring.n, 1);
	edition.ticket_keys.n = 0;
	use(&t, H, H, 100 * H);
	assert_int_equal(t.ring.n, 2);
	assert_false(same(&t.ring.keys[0], &mine.keys[0]));
	assert_true(t.ring.keys[0].cipher[31] != 7 ||
	    t.ring.keys[0].cipher[30] != 7);
}

static void
reads_files(void **state)
{
	static const struct {
		size_t bytes;
		mode_t mode;
		const char *error;
	} rows[] = {
		{ 80, 0600, NULL },
		{ 16 * 80, 0640, NULL },
		{ 0, 0600, "must have 80 bytes" },
		{ 79, 0600, "must have 80 bytes" },
		{ 81, 0600, "must have 80 bytes" },
		{ 17 * 80, 0600, "must have 80 bytes for each of 1 to 16" },
		{ 80, 0644, "f can be read by everybody" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = memfd_create("keys", MFD_CLOEXEC);
		struct proto_tickets keys = { .n = 0 };
		struct err err = ERR_INIT;

		assert_int_equal(fchmod(fd, rows[i].mode), 0);
		for (size_t n = 0; n < rows[i].bytes; n++) {
			uint8_t byte = (uint8_t)(n % 80 + n / 80);

			assert_int_equal(write(fd, &byte, 1), 1);
		}
		assert_int_equal(tickets_read_file(fd, "f", &keys, &err),
		    rows[i].error == NULL ? 0 : -1);
		if (rows[i].error == NULL) {
			assert_int_equal(keys.n, rows[i].bytes / 80);
			assert_int_equal(keys.keys[0].name[1], 1);
			assert_int_equal(keys.keys[0].mac[0], 16);
			assert_int_equal(keys.keys[keys.n - 1].cipher[0],
			    48 + keys.n - 1);
		} else {
			assert_non_null(strstr(err.text, rows[i].error));
			assert_int_equal(keys.n, 0);
		}
		close(fd);
	}
}

/* ---- in a worker --------------------------------------------------------------- */

struct sealed {
	unsigned char name[16], iv[EVP_MAX_IV_LENGTH], text[32], mac[32];
};

static int
seal(const struct proto_tickets *keys, struct sealed *out)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
	int len, rc = tls_ticket_key(keys, out->name, out->iv, cipher, mac,
	    true, true);
	size_t mac_len;

	if (rc == 1) {
		assert_int_equal(EVP_EncryptUpdate(cipher, out->text, &len,
		    (const unsigned char *)"0123456789abcdef", 16), 1);
		assert_int_equal(EVP_MAC_update(mac, out->text, 16), 1);
		assert_int_equal(EVP_MAC_final(mac, out->mac, &mac_len, 32),
		    1);
	}
	EVP_CIPHER_CTX_free(cipher);
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	return rc;
}

static int
unseal(const struct proto_tickets *keys, const struct sealed *in, bool tls13)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
	struct sealed copy = *in;
	unsigned char text[32], code[32];
	int len, rc = tls_ticket_key(keys, copy.name, copy.iv, cipher, mac,
	    false, tls13);
	size_t mac_len;

	if (rc > 0) {
		EVP_CIPHER_CTX_set_padding(cipher, 0);
		assert_int_equal(EVP_DecryptUpdate(cipher, text, &len,
		    copy.text, 16), 1);
		assert_memory_equal(text, "0123456789abcdef", 16);
		assert_int_equal(EVP_MAC_update(mac, copy.text, 16), 1);
		assert_int_equal(EVP_MAC_final(mac, code, &mac_len, 32), 1);
		assert_memory_equal(code, copy.mac, 32);
	}
	EVP_CIPHER_CTX_free(cipher);
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	return rc;
}

static void
seals_and_unseals(void **state)
{
	struct tickets t = { .rotate_ms = 0 };
	struct proto_tickets none = { .n = 0 }, a;
	struct sealed ticket;

	(void)state;
	use(&t, H, H, 0);
	a = t.ring;
	assert_int_equal(seal(&none, &ticket), 0);
	assert_int_equal(seal(&a, &ticket), 1);
	assert_memory_equal(ticket.name, a.keys[0].name, 16);
	assert_int_equal(unseal(&none, &ticket, true), 0);
	/* with the key in use; TLS 1.3 renews it always */
	assert_int_equal(unseal(&a, &ticket, false), 1);
	assert_int_equal(unseal(&a, &ticket, true), 2);
	/* a worker that has not heard of the change yet */
	assert_int_equal(tickets_tick(&t, H, NULL), 1);
	assert_int_equal(seal(&t.ring, &ticket), 1);
	assert_int_equal(unseal(&a, &ticket, false), 2);
	/* an old key is renewed, one that is gone does not know it */
	assert_int_equal(seal(&a, &ticket), 1);
	assert_int_equal(unseal(&t.ring, &ticket, false), 2);
	assert_int_equal(tickets_tick(&t, 2 * H, NULL), 1);
	assert_int_equal(unseal(&t.ring, &ticket, false), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rotates),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(survives_a_reload),
		cmocka_unit_test(takes_keys_of_a_file),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(seals_and_unseals),
	};

	return cmocka_run_group_tests_name("tickets", tests, NULL, NULL);
}
