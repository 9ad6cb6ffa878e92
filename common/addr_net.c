/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Pure. */
#include "common/addr_net.h"

#include <string.h>

#include "common/str.h"

#define SHOWN 80		/* bytes of a wrong value in a sentence */

/* The bytes of the address; returns how many bits they have. */
static unsigned
bytes_of(const struct addr *addr, const uint8_t **bytes_out)
{
	if (addr->sa.sa_family == AF_INET) {
		*bytes_out = (const uint8_t *)&addr->in.sin_addr;
		return 32;
	}
	*bytes_out = addr->in6.sin6_addr.s6_addr;
	return 128;
}

static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 ||
	    (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

/* A net's own address has nothing behind its bits. */
static void
clear_rest(uint8_t ip[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		ip[i / 8] &= (uint8_t)~(0x80u >> i % 8);
}

static int
check_rest(const char *text, const struct addr *addr,
    const struct addr_net *net, struct err *err)
{
	struct addr_net clean = *net;
	struct addr first = *addr;
	char shown[ADDR_TEXT_MAX];

	clear_rest(clean.ip, net->bits);
	if (memcmp(clean.ip, net->ip, sizeof(net->ip)) == 0)
		return 0;
	if (net->family == AF_INET)
		memcpy(&first.in.sin_addr, clean.ip, 4);
	else
		memcpy(&first.in6.sin6_addr, clean.ip, 16);
	addr_format_ip(&first, shown);
	return err_set(err, "`%.*s' has bits behind its /%u: write %s/%u",
	    SHOWN, text, net->bits, shown, net->bits);
}

int
addr_net_parse(const char *text, struct addr_net *net_out, struct err *err)
{
	struct addr_net net = { .family = AF_UNIX };
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	const uint8_t *bytes;
	struct addr addr;
	uint64_t bits;

	if (strcmp(text, "unix:") == 0) {
		*net_out = net;
		return 0;
	}
	if (!addr_parse_ip(text, len, &addr))
		return err_set(err, "`%.*s' is neither an IP address nor a "
		    "network such as 10.0.0.0/8, nor unix:", SHOWN, text);
	net.family = addr.sa.sa_family;
	net.bits = bytes_of(&addr, &bytes);
	memcpy(net.ip, bytes, net.bits / 8);
	if (slash != NULL && (str_parse_uint(slash + 1, &bits, NULL) != 0 ||
	    bits > net.bits))
		return err_set(err, "`%.*s' has no number from 0 to %u behind "
		    "its `/'", SHOWN, text, net.bits);
	if (slash != NULL)
		net.bits = (unsigned)bits;
	if (check_rest(text, &addr, &net, err) != 0)
		return -1;
	*net_out = net;
	return 0;
}

bool
addr_nets_have(const struct addr_net *nets, size_t n, const struct addr *addr)
{
	const uint8_t *bytes = NULL;	/* of a unix address: not looked at */

	if (!addr_is_unix(addr))
		bytes_of(addr, &bytes);
	for (size_t i = 0; i < n; i++) {
		if (nets[i].family == addr->sa.sa_family &&
		    (addr_is_unix(addr) ||
		    same_bits(nets[i].ip, bytes, nets[i].bits)))
			return true;
	}
	return false;
}
