/* SPDX-License-Identifier: MIT */
/* common/proto: each get takes what put wrote, and nothing near it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/chan.h"
#include "common/log.h"
#include "common/proto.h"
#include "common/proto_sign.h"
#include "common/proto_connect.h"

/* Room for any message a get fills in. */
union any {
	struct proto_hello hello;
	struct proto_metrics metrics;
	struct proto_prepare prepare;
	struct proto_log log;
	struct proto_access_log access_log;
	struct proto_tickets tickets;
	struct proto_failed failed;
	struct proto_listener listener;
	struct proto_query query;
	struct proto_answer answer;
	struct proto_drain drain;
	struct proto_connect connect;
	struct proto_connected connected;
	struct proto_sign sign;
	struct proto_signed signed_;
};

struct row {
	const char *name;
	void (*put)(struct buf *);
	bool (*get)(struct reader *, union any *);
	void (*check)(const union any *);
};

#define GET(what)                                                            \
	static bool                                                          \
	get_##what(struct reader *r, union any *m)                           \
	{                                                                    \
		return proto_##what##_get(r, &m->what);                      \
	}

GET(hello)
GET(metrics)
GET(prepare)
GET(log)
GET(access_log)
GET(tickets)
GET(failed)
GET(listener)
GET(query)
GET(answer)
GET(drain)
GET(connect)
GET(connected)
GET(sign)

static bool
get_signed(struct reader *r, union any *m)
{
	return proto_signed_get(r, &m->signed_);
}

static void
put_hello(struct buf *b)
{
	proto_hello_put(b, &(struct proto_hello){ "0.1.0",
	    "OpenSSL 3.0, libevent 2.1" });
}

static void
check_hello(const union any *m)
{
	assert_string_equal(m->hello.version, "0.1.0");
	assert_string_equal(m->hello.libraries, "OpenSSL 3.0, libevent 2.1");
}

static void
put_sign(struct buf *b)
{
	struct proto_sign m = { .id = 7, .scheme = PROTO_ECDSA,
		.digest = "SHA256", .len = 3, .tbs = "abc" };

	memset(m.key, 0x5a, sizeof(m.key));
	proto_sign_put(b, &m);
}

static void
check_sign(const union any *m)
{
	assert_true(m->sign.id == 7);
	assert_int_equal(m->sign.scheme, PROTO_ECDSA);
	assert_string_equal(m->sign.digest, "SHA256");
	assert_int_equal(m->sign.key[PROTO_KEY_ID - 1], 0x5a);
	assert_int_equal(m->sign.len, 3);
	assert_memory_equal(m->sign.tbs, "abc", 3);
}

static void
put_signed(struct buf *b)
{
	struct proto_signed m = { .id = 8, .len = 2, .signature = "xy" };

	proto_signed_put(b, &m);
}

static void
check_signed(const union any *m)
{
	assert_true(m->signed_.id == 8);
	assert_int_equal(m->signed_.len, 2);
	assert_memory_equal(m->signed_.signature, "xy", 2);
}

static void
put_metrics(struct buf *b)
{
	proto_metrics_put(b, &(struct proto_metrics){ 3,
	    { 0x0123456789abcdef, UINT64_MAX } });
}

static void
check_metrics(const union any *m)
{
	assert_int_equal(m->metrics.slot, 3);
	assert_true(m->metrics.hash_key[0] == 0x0123456789abcdef);
	assert_true(m->metrics.hash_key[1] == UINT64_MAX);
}

static void
put_prepare(struct buf *b)
{
	proto_prepare_put(b, &(struct proto_prepare){ true });
}

static void
check_prepare(const union any *m)
{
	assert_true(m->prepare.strict);
}

static void
put_log(struct buf *b)
{
	proto_log_put(b, &(struct proto_log){ LOG_FORMAT_SYSLOG,
	    LOG_LEVEL_DEBUG });
}

static void
check_log(const union any *m)
{
	assert_int_equal(m->log.format, LOG_FORMAT_SYSLOG);
	assert_int_equal(m->log.level, LOG_LEVEL_DEBUG);
}

static void
put_access_log(struct buf *b)
{
	proto_access_log_put(b, &(struct proto_access_log){
	    LOG_FORMAT_JOURNAL, true });
}

static void
check_access_log(const union any *m)
{
	assert_int_equal(m->access_log.format, LOG_FORMAT_JOURNAL);
	assert_true(m->access_log.json);
}

static void
put_tickets(struct buf *b)
{
	struct proto_tickets m = { .n = 2 };

	for (uint8_t i = 0; i < 80; i++) {
		((uint8_t *)&m.keys[0])[i] = i;
		((uint8_t *)&m.keys[1])[i] = (uint8_t)(100 + i);
	}
	proto_tickets_put(b, &m);
}

static void
check_tickets(const union any *m)
{
	assert_int_equal(m->tickets.n, 2);
	assert_int_equal(m->tickets.keys[0].name[15], 15);
	assert_int_equal(m->tickets.keys[0].mac[0], 16);
	assert_int_equal(m->tickets.keys[1].cipher[31], 179);
}

static void
put_failed(struct buf *b)
{
	proto_failed_put(b, "/etc/wssd.ini:3: no\n/etc/wssd.ini:4: neither");
}

static void
check_failed(const union any *m)
{
	assert_string_equal(m->failed.text,
	    "/etc/wssd.ini:3: no\n/etc/wssd.ini:4: neither");
}

static void
put_listener(struct buf *b)
{
	proto_listener_put(b, &(struct proto_listener){ "public", "[::]:443",
	    7 });
}

static void
check_listener(const union any *m)
{
	assert_string_equal(m->listener.listen, "public");
	assert_string_equal(m->listener.address, "[::]:443");
	assert_int_equal(m->listener.lent_slot, 7);
}

static void
put_query(struct buf *b)
{
	proto_query_put(b, &(struct proto_query){ 9, 1ull << 40 });
}

static void
check_query(const union any *m)
{
	assert_int_equal(m->query.id, 9);
	assert_true(m->query.after == 1ull << 40);
}

static void
put_answer(struct buf *b)
{
	proto_answer_put(b, &(struct proto_answer){ 9, 77, true,
	    (const uint8_t *)"{}\n", 3 });
}

static void
check_answer(const union any *m)
{
	assert_int_equal(m->answer.id, 9);
	assert_int_equal(m->answer.last, 77);
	assert_true(m->answer.more);
	assert_int_equal(m->answer.text_len, 3);
	assert_memory_equal(m->answer.text, "{}\n", 3);
}

static void
put_drain(struct buf *b)
{
	proto_drain_put(b, &(struct proto_drain){ 1012, 60000, 10000,
	    "restart" });
}

static void
check_drain(const union any *m)
{
	assert_int_equal(m->drain.code, 1012);
	assert_int_equal(m->drain.window_ms, 60000);
	assert_int_equal(m->drain.timeout_ms, 10000);
	assert_string_equal(m->drain.reason, "restart");
}

static void
put_connect(struct buf *b)
{
	proto_connect_put(b, &(struct proto_connect){ 7, 2,
	    "/run/app.sock" });
}

static void
check_connect(const union any *m)
{
	assert_int_equal(m->connect.id, 7);
	assert_int_equal(m->connect.attempt, 2);
	assert_string_equal(m->connect.endpoint, "/run/app.sock");
}

static void
put_connected(struct buf *b)
{
	proto_connected_put(b, &(struct proto_connected){ 7, 111, 3 });
}

static void
check_connected(const union any *m)
{
	assert_int_equal(m->connected.id, 7);
	assert_int_equal(m->connected.error, 111);
	assert_int_equal(m->connected.addresses, 3);
}

#define ROW(what) { #what, put_##what, get_##what, check_##what }

static const struct row rows[] = {
	ROW(hello), ROW(metrics), ROW(prepare), ROW(log), ROW(failed),
	ROW(listener), ROW(query), ROW(answer), ROW(drain), ROW(access_log),
	ROW(connect), ROW(connected),
	ROW(tickets),
	ROW(sign), { "signed", put_signed, get_signed, check_signed },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Bytes in memory of exactly their length, so that ASan sees an overread. */
static bool
get_exact(const struct row *row, const uint8_t *data, size_t len,
    union any *m, uint8_t **copy_out)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	struct reader r = { copy, len, false };

	assert_non_null(copy);
	memcpy(copy, data, len);
	*copy_out = copy;
	return row->get(&r, m);
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		struct buf b = BUF_INIT;
		union any *m = calloc(1, sizeof(*m));
		uint8_t *copy;

		rows[i].put(&b);
		if (!get_exact(&rows[i], b.data, b.len, m, &copy))
			fail_msg("%s", rows[i].name);
		rows[i].check(m);
		free(copy);
		free(m);
		buf_done(&b);
	}
}

static void
test_truncated_and_longer(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		struct buf b = BUF_INIT;
		union any *m = calloc(1, sizeof(*m));
		uint8_t *copy;

		rows[i].put(&b);
		for (size_t len = 0; len < b.len; len++) {
			if (get_exact(&rows[i], b.data, len, m, &copy))
				fail_msg("%s of %zu bytes", rows[i].name, len);
			free(copy);
		}
		buf_put_u8(&b, 0);
		if (get_exact(&rows[i], b.data, b.len, m, &copy))
			fail_msg("%s with a byte more", rows[i].name);
		free(copy);
		free(m);
		buf_done(&b);
	}
}

/* Any byte changed: no crash, and never more accepted than fits. */
static void
test_flipped_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		struct buf b = BUF_INIT;
		union any *m = calloc(1, sizeof(*m));
		uint8_t *copy;

		rows[i].put(&b);
		for (size_t at = 0; at < b.len; at++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				b.data[at] ^= (uint8_t)(1u << bit);
				(void)get_exact(&rows[i], b.data, b.len, m,
				    &copy);
				free(copy);
				b.data[at] ^= (uint8_t)(1u << bit);
			}
		}
		free(m);
		buf_done(&b);
	}
}

static void
expect_not(bool (*get)(struct reader *, union any *), struct buf *b)
{
	struct reader r = { b->data, b->len, false };
	union any *m = calloc(1, sizeof(*m));

	assert_false(get(&r, m));
	free(m);
	buf_done(b);
}

static void
test_out_of_range(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_put_u8(&b, 2);
	expect_not(get_prepare, &b);
	buf_put_u8(&b, LOG_FORMAT_SYSLOG + 1);
	buf_put_u8(&b, 0);
	expect_not(get_log, &b);
	buf_put_u8(&b, 0);
	buf_put_u8(&b, LOG_LEVEL_DEBUG + 1);
	expect_not(get_log, &b);
	/* A close code that nobody orders. */
	buf_put_u32(&b, 1006);
	buf_put_u32(&b, 0);
	buf_put_u32(&b, 0);
	buf_put_str(&b, "");
	expect_not(get_drain, &b);
	/* A reason that does not fit into a Close frame. */
	buf_put_u32(&b, 1001);
	buf_put_u32(&b, 0);
	buf_put_u32(&b, 0);
	buf_put_u16(&b, 124);
	for (int i = 0; i < 124; i++)
		buf_put_u8(&b, 'x');
	expect_not(get_drain, &b);
	/* Longer than what is ever signed, and than any signature. */
	buf_put_u64(&b, 1);
	for (int i = 0; i < PROTO_KEY_ID; i++)
		buf_put_u8(&b, 0);
	buf_put_u8(&b, PROTO_ECDSA);
	buf_put_str(&b, "SHA256");
	buf_put_u16(&b, PROTO_TBS_MAX + 1);
	for (int i = 0; i < PROTO_TBS_MAX + 1; i++)
		buf_put_u8(&b, 0);
	expect_not(get_sign, &b);
	buf_put_u64(&b, 1);
	buf_put_u16(&b, PROTO_SIGNATURE_MAX + 1);
	for (int i = 0; i < PROTO_SIGNATURE_MAX + 1; i++)
		buf_put_u8(&b, 0);
	expect_not(get_signed, &b);
	/* A scheme that there is not. */
	buf_put_u64(&b, 1);
	for (int i = 0; i < PROTO_KEY_ID; i++)
		buf_put_u8(&b, 0);
	buf_put_u8(&b, PROTO_SCHEMES);
	buf_put_str(&b, "");
	buf_put_u16(&b, 0);
	expect_not(get_sign, &b);
	/* A NUL inside a name. */
	buf_put_u16(&b, 3);
	buf_put(&b, "a\0b", 3);
	buf_put_str(&b, "127.0.0.1:1");
	buf_put_u32(&b, 0);
	expect_not(get_listener, &b);
}

static void
test_long_text_is_cut(void **state)
{
	char *text = malloc(PROTO_TEXT_MAX * 2);
	struct proto_failed *m = calloc(1, sizeof(*m));
	struct buf b = BUF_INIT;
	struct reader r;

	(void)state;
	memset(text, 'x', PROTO_TEXT_MAX * 2);
	text[PROTO_TEXT_MAX * 2 - 1] = '\0';
	proto_failed_put(&b, text);
	r = (struct reader){ b.data, b.len, false };
	assert_true(proto_failed_get(&r, m));
	assert_int_equal(strlen(m->text), PROTO_TEXT_MAX - 1);
	buf_done(&b);
	free(m);
	free(text);
}

static void
test_names(void **state)
{
	(void)state;
	for (unsigned type = PROTO_HELLO; type < PROTO_TYPES; type++)
		assert_string_not_equal(proto_name(type), "?");
	assert_string_equal(proto_name(PROTO_HELLO), "HELLO");
	assert_string_equal(proto_name(PROTO_DRAINED), "DRAINED");
	assert_string_equal(proto_name(0), "?");
	assert_string_equal(proto_name(PROTO_TYPES), "?");
	assert_string_equal(proto_name(65535), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated_and_longer),
		cmocka_unit_test(test_flipped_bytes),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}
