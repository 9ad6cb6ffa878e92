/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Pure. */
#include "worker/tool/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/str.h"

#define DNS_NAME_MAX 253	/* RFC 1035 section 2.3.4, without the root */
#define DNS_LABEL_MAX 63
#define SHOWN 80

/* RFC 5890 section 2.3.1: letters, digits, and hyphens inside. */
static bool
is_label(const char *s, size_t len)
{
	if (len == 0 || len > DNS_LABEL_MAX || s[0] == '-' ||
	    s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) &&
		    s[i] != '-'))
			return false;
	return true;
}

static bool
is_dns_name(const char *s)
{
	size_t len;

	if (strlen(s) > DNS_NAME_MAX)
		return false;
	for (;; s += len + 1) {
		len = strcspn(s, ".");
		if (!is_label(s, len))
			return false;
		if (s[len] == '\0')
			return true;
	}
}

/* The numbers of an address that is none: 1.2.3.400. */
static bool
ends_in_number(const char *s)
{
	const char *dot = strrchr(s, '.');

	return isdigit((unsigned char)(dot == NULL ? s : dot + 1)[0]);
}

static bool
is_ascii(const char *s)
{
	while (*s != '\0' && isascii(*s))
		s++;
	return *s == '\0';
}

int
cert_name_parse(const char *text, struct cert_name *name_out,
    struct err *err)
{
	bool wildcard = strncmp(text, "*.", 2) == 0;
	const char *host = text + (wildcard ? 2 : 0);
	char shown[SHOWN];
	struct addr addr;

	if (addr_parse_ip(text, strlen(text), &addr)) {
		name_out->is_ip = true;
		addr_format_ip(&addr, name_out->text);
		return 0;
	}
	str_escape(text, strlen(text), shown, sizeof(shown));
	if (!is_ascii(text))
		return err_set(err, "%s: write a name with other letters than "
		    "a to z as it is in DNS, xn--...", shown);
	if (!is_dns_name(host) || ends_in_number(host))
		return err_set(err, "%s is neither a DNS name nor an IP "
		    "address", shown);
	if (wildcard && strchr(host, '.') == NULL)
		return err_set(err, "%s: clients want two labels behind the "
		    "`*.'", shown);
	name_out->is_ip = false;
	snprintf(name_out->text, sizeof(name_out->text), "%s", text);
	for (char *p = name_out->text; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}
