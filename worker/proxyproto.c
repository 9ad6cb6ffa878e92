/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: reads the caller's bytes.  Runs in the worker.  Must never
 * take a header of which it does not understand every byte that says who the
 * client is.
 */
#include "worker/proxyproto.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/str.h"

#define V1_MAX 107		/* spec 2.1, CRLF included */
#define V2_FIXED 16		/* signature, version, family, length */

enum { CMD_LOCAL = 0x20, CMD_PROXY = 0x21 };
enum { FAM_UNSPEC = 0x00, FAM_TCP4 = 0x11, FAM_TCP6 = 0x21,
	FAM_UNIX = 0x31 };
enum { TLV_CRC32C = 0x03, TLV_SSL = 0x20, TLV_SSL_VERSION = 0x21 };

#define CLIENT_SSL 0x01		/* spec 2.2.6 */
#define UNIX_BYTES 108		/* of each path in FAM_UNIX */

static const uint8_t v1_start[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const uint8_t v2_start[] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a,
	'Q', 'U', 'I', 'T', 0x0a };

static enum proxyproto_result
bad(const char **why_out, const char *why)
{
	*why_out = why;
	return PROXYPROTO_BAD;
}

/* ---- version 1 -------------------------------------------------------- */

/* The next word, behind which stands one blank or the end. */
static bool
next_word(const char **at, const char *end, const char **word_out,
    size_t *len_out)
{
	const char *blank;

	if (*at > end)
		return false;
	blank = memchr(*at, ' ', (size_t)(end - *at));
	*word_out = *at;
	*len_out = (size_t)((blank == NULL ? end : blank) - *at);
	*at += *len_out + 1;
	return *len_out > 0;
}

/* Decimal, without leading zeros (spec 2.1). */
static bool
parse_port(const char *word, size_t len, uint16_t *port_out)
{
	char text[8];
	uint64_t port;

	if (len > 5 || (len > 1 && word[0] == '0'))
		return false;
	memcpy(text, word, len);
	text[len] = '\0';
	if (str_parse_uint(text, &port, NULL) != 0 || port > 65535)
		return false;
	*port_out = (uint16_t)port;
	return true;
}

/* "203.0.113.7 192.0.2.1 51200 443": client, proxy, and their ports. */
static bool
v1_addresses(const char *at, const char *end, sa_family_t family,
    struct proxyproto *out)
{
	struct addr addrs[2];
	uint16_t ports[2];
	const char *word;
	size_t len;

	for (int i = 0; i < 2; i++) {
		if (!next_word(&at, end, &word, &len) ||
		    (memchr(word, ':', len) != NULL) != (family == AF_INET6) ||
		    !addr_parse_ip(word, len, &addrs[i]))
			return false;
	}
	for (int i = 0; i < 2; i++) {
		if (!next_word(&at, end, &word, &len) ||
		    !parse_port(word, len, &ports[i]))
			return false;
	}
	if (at <= end)
		return false;
	out->has_client = true;
	out->client = addrs[0];
	addr_set_port(&out->client, ports[0]);
	return true;
}

static enum proxyproto_result
parse_v1(const uint8_t *data, size_t len, struct proxyproto *out,
    size_t *used_out, const char **why_out)
{
	const char *line = (const char *)data + sizeof(v1_start);
	const uint8_t *cr = memchr(data, '\r', len < V1_MAX ? len : V1_MAX);
	const char *end = (const char *)cr;
	bool good;

	if (cr == NULL || cr == data + len - 1) {
		if (len >= V1_MAX)
			return bad(why_out, "its line is longer than 107 "
			    "bytes");
		return PROXYPROTO_MORE;
	}
	if (cr[1] != '\n' || cr + 2 > data + V1_MAX)
		return bad(why_out, "its line does not end in CRLF");
	if (end - line >= 5 && memcmp(line, "TCP4 ", 5) == 0)
		good = v1_addresses(line + 5, end, AF_INET, out);
	else if (end - line >= 5 && memcmp(line, "TCP6 ", 5) == 0)
		good = v1_addresses(line + 5, end, AF_INET6, out);
	else
		/* What stands behind UNKNOWN is to be ignored. */
		good = end - line >= 7 && memcmp(line, "UNKNOWN", 7) == 0 &&
		    (end - line == 7 || line[7] == ' ');
	if (!good)
		return bad(why_out, "its line is malformed");
	*used_out = (size_t)(cr + 2 - data);
	return PROXYPROTO_OK;
}

/* ---- version 2 -------------------------------------------------------- */

/* RFC 4960 appendix B, a bit at a time: it is for one header. */
static uint32_t
crc32c(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	return crc;
}

/* Spec 2.2.4: over the whole header, with the checksum itself as zeros. */
static bool
checksum_ok(const uint8_t *head, size_t len, const uint8_t *sum)
{
	uint32_t crc = 0xffffffffu, want;

	for (size_t i = 0; i < len; i++)
		crc = crc32c(crc, head + i >= sum && head + i < sum + 4 ? 0 :
		    head[i]);
	want = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 |
	    (uint32_t)sum[2] << 8 | sum[3];
	return ~crc == want;
}

struct tlv {
	uint8_t type;
	uint16_t len;
	const uint8_t *value;
};

/* False at the end, or when it is cut off: then r->bad. */
static bool
next_tlv(struct reader *r, struct tlv *out)
{
	if (r->len == 0 || r->bad)
		return false;
	out->type = reader_u8(r);
	out->len = reader_u16(r);
	if (out->len > r->len)
		r->bad = true;
	if (r->bad)
		return false;
	out->value = r->data;
	r->data += out->len;
	r->len -= out->len;
	return true;
}

/* Printable ASCII, or it is not shown. */
static void
keep_text(const struct tlv *t, char *out, size_t size)
{
	if (t->len >= size)
		return;
	for (size_t i = 0; i < t->len; i++) {
		if (t->value[i] < 0x21 || t->value[i] > 0x7e)
			return;
	}
	memcpy(out, t->value, t->len);
	out[t->len] = '\0';
}

/* Spec 2.2.6: client, verify, and TLVs again. */
static bool
take_tls(const struct tlv *t, struct proxyproto *out)
{
	struct reader r = { t->value, t->len, false };
	uint8_t client = reader_u8(&r);
	struct tlv sub;

	(void)reader_u32(&r);
	while (next_tlv(&r, &sub)) {
		if (sub.type == TLV_SSL_VERSION)
			keep_text(&sub, out->tls, sizeof(out->tls));
	}
	out->has_tls = true;
	out->secure = (client & CLIENT_SSL) != 0;
	if (!out->secure)
		out->tls[0] = '\0';
	return !r.bad;
}

static const char *
take_tlvs(const uint8_t *head, size_t head_len, struct reader *r,
    struct proxyproto *out)
{
	struct tlv t;

	while (next_tlv(r, &t)) {
		if (t.type == TLV_CRC32C && (t.len != 4 ||
		    !checksum_ok(head, head_len, t.value)))
			return "its checksum is wrong";
		if (t.type == TLV_SSL && (out->has_tls ||
		    !take_tls(&t, out)))
			return "what it says of TLS is malformed";
	}
	return r->bad ? "one of its TLVs is cut off" : NULL;
}

static void
set_v4(struct addr *addr, const uint8_t ip[4], const uint8_t port[2])
{
	memset(addr, 0, sizeof(*addr));
	addr->len = sizeof(addr->in);
	addr->in.sin_family = AF_INET;
	memcpy(&addr->in.sin_addr, ip, 4);
	memcpy(&addr->in.sin_port, port, 2);
}

static void
set_v6(struct addr *addr, const uint8_t ip[16], const uint8_t port[2])
{
	memset(addr, 0, sizeof(*addr));
	addr->len = sizeof(addr->in6);
	addr->in6.sin6_family = AF_INET6;
	memcpy(&addr->in6.sin6_addr, ip, 16);
	memcpy(&addr->in6.sin6_port, port, 2);
	addr_unmap(addr);
}

static void
set_unix(struct addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->len = sizeof(addr->un.sun_family);
	addr->un.sun_family = AF_UNIX;
}

/* The addresses at the front of r: client, proxy, their ports. */
static const char *
take_addresses(uint8_t family, struct reader *r, struct proxyproto *out)
{
	const uint8_t *a = r->data;
	size_t need = family == FAM_TCP4 ? 12 : family == FAM_TCP6 ? 36 :
	    family == FAM_UNIX ? 2 * UNIX_BYTES : 0;

	if (r->len < need)
		return "its addresses are cut off";
	switch (family) {
	case FAM_UNSPEC:
		break;
	case FAM_TCP4:
		set_v4(&out->client, a, a + 8);
		break;
	case FAM_TCP6:
		set_v6(&out->client, a, a + 32);
		break;
	case FAM_UNIX:
		set_unix(&out->client);
		break;
	default:
		return "it is not about a TCP connection";
	}
	out->has_client = family != FAM_UNSPEC;
	r->data += need;
	r->len -= need;
	return NULL;
}

static enum proxyproto_result
parse_v2(const uint8_t *data, size_t len, struct proxyproto *out,
    size_t *used_out, const char **why_out)
{
	struct reader r = { data + V2_FIXED, 0, false };
	const char *why = NULL;
	size_t whole;

	if (len > 12 && data[12] != CMD_LOCAL && data[12] != CMD_PROXY)
		return bad(why_out, "it is neither of version 1 nor 2, or has "
		    "an unknown command");
	if (len < V2_FIXED)
		return PROXYPROTO_MORE;
	r.len = (size_t)data[14] << 8 | data[15];
	whole = V2_FIXED + r.len;
	if (whole > PROXYPROTO_MAX)
		return bad(why_out, "it is longer than 2048 bytes");
	if (len < whole)
		return PROXYPROTO_MORE;
	/* LOCAL: the proxy itself; the rest is to be skipped (spec 2.2). */
	if (data[12] == CMD_PROXY)
		why = take_addresses(data[13], &r, out);
	if (data[12] == CMD_PROXY && why == NULL)
		why = take_tlvs(data, whole, &r, out);
	if (why != NULL)
		return bad(why_out, why);
	*used_out = whole;
	return PROXYPROTO_OK;
}

/* ---- both ------------------------------------------------------------- */

static bool
begins(const uint8_t *data, size_t len, const uint8_t *start, size_t n)
{
	return memcmp(data, start, len < n ? len : n) == 0;
}

enum proxyproto_result
proxyproto_parse(const uint8_t *data, size_t len, struct proxyproto *out,
    size_t *used_out, const char **why_out)
{
	struct proxyproto found;
	enum proxyproto_result result;

	if (len == 0)
		return PROXYPROTO_MORE;
	memset(&found, 0, sizeof(found));
	if (begins(data, len, v1_start, sizeof(v1_start)))
		result = len < sizeof(v1_start) ? PROXYPROTO_MORE :
		    parse_v1(data, len, &found, used_out, why_out);
	else if (begins(data, len, v2_start, sizeof(v2_start)))
		result = len < sizeof(v2_start) ? PROXYPROTO_MORE :
		    parse_v2(data, len, &found, used_out, why_out);
	else
		result = bad(why_out, "there is none");
	if (result == PROXYPROTO_OK)
		*out = found;
	return result;
}
