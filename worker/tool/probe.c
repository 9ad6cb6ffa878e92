/* SPDX-License-Identifier: MIT */
/*
 * The TLS part of wssctl doctor: connects as a client would, once with TLS
 * 1.2 and once with 1.3, for each name that clients may ask for.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/str.h"
#include "worker/tool/pem.h"
#include "worker/tool/tool.h"
#include "worker/tool/trust.h"

#define NAMES_MAX 64
#define NAME_MAX_BYTES 320	/* 253, and what is put before it */
#define WITHIN_S 10		/* for each step of a handshake */

struct probe {
	struct addr addr;
	char where[ADDR_TEXT_MAX];
	struct trust trust;
	struct findings findings;
	char names[NAMES_MAX][NAME_MAX_BYTES];
	size_t n_names;
	bool more;			/* there were more names */
};

/* What one handshake has shown. */
struct shown {
	bool done;
	bool wants_cert;		/* the server asked for the client's */
	STACK_OF(X509) *chain;		/* NULL: it did not come so far */
	char reason[128];
};

/* ---- a connection ------------------------------------------------------- */

static int
dial(const struct probe *p, struct err *err)
{
	struct timeval within = { WITHIN_S, 0 };
	int fd = socket(p->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* It is for connect() as well: socket(7). */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &within,
	    sizeof(within)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within,
	    sizeof(within)) != 0 ||
	    connect(fd, &p->addr.sa, p->addr.len) != 0) {
		err_set_errno(err, "nobody answers at %s", p->where);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int
on_cert_wanted(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
	struct shown *shown = SSL_get_app_data(ssl);

	(void)cert;
	(void)key;
	shown->wants_cert = true;
	return 0;
}

static void
keep_reason(int rc, int number, struct shown *shown)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (reason == NULL && rc == -1 && number != 0)
		reason = number == EAGAIN ? "no answer in time" :
		    strerror(number);
	snprintf(shown->reason, sizeof(shown->reason), "%s",
	    reason == NULL ? "the connection was closed" : reason);
}

/* What is wrong with the certificates is found out afterwards. */
static SSL *
new_client(SSL_CTX *ctx, const char *name, int version, int fd,
    struct shown *shown)
{
	struct addr ip;
	SSL *ssl;

	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_client_cert_cb(ctx, on_cert_wanted);
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	ssl = SSL_new(ctx);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		return ssl;
	SSL_set_app_data(ssl, shown);
	/* RFC 6066 section 3: no addresses. */
	if (name[0] != '\0' && !addr_parse_ip(name, strlen(name), &ip))
		SSL_set_tlsext_host_name(ssl, name);
	return ssl;
}

static void
shake_hands(const char *name, int version, int fd, struct shown *shown)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	STACK_OF(X509) *chain;
	SSL *ssl = ctx == NULL ? NULL : new_client(ctx, name, version, fd,
	    shown);
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = ssl == NULL ? 0 : SSL_connect(ssl);
	shown->done = rc == 1;
	if (rc != 1)
		keep_reason(rc, errno, shown);
	chain = ssl == NULL ? NULL : SSL_get_peer_cert_chain(ssl);
	if (sk_X509_num(chain) > 0)
		shown->chain = X509_chain_up_ref(chain);
	if (shown->done)
		SSL_shutdown(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

/* ---- a name ------------------------------------------------------------- */

static bool
can_talk(const struct shown *shown)
{
	return shown->done || (shown->wants_cert && shown->chain != NULL);
}

static void
judge_versions(struct probe *p, const char *where, const struct shown *old,
    const struct shown *new)
{
	if (!can_talk(old))
		findings_add(&p->findings, FINDING_WARN, "%s: no TLS 1.2 "
		    "(%s), which WeChat mini programs and older clients may "
		    "need; see tls_min", where, old->reason);
	if (!can_talk(new))
		findings_add(&p->findings, FINDING_WARN, "%s: no TLS 1.3 "
		    "(%s), which opens faster; see tls_max", where,
		    new->reason);
}

static void
judge(struct probe *p, const char *name, const struct shown *old,
    const struct shown *new)
{
	struct findings before = p->findings;
	char where[ADDR_TEXT_MAX + NAME_MAX_BYTES];
	const struct shown *best = can_talk(old) ? old : new;

	snprintf(where, sizeof(where), "%s%s%s", p->where,
	    name[0] == '\0' ? "" : " ", name);
	if (!can_talk(old) && !can_talk(new)) {
		findings_add(&p->findings, FINDING_FAIL, "%s: the TLS "
		    "handshake fails: %s", where, new->reason);
		return;
	}
	judge_versions(p, where, old, new);
	if (best->chain != NULL)
		trust_judge(&p->trust, best->chain, name, where,
		    &p->findings);
	if (memcmp(&before, &p->findings, sizeof(before)) == 0)
		findings_add(&p->findings, FINDING_OK, "%s: TLS 1.2 and 1.3, "
		    "the certificate is right and trusted%s", where,
		    best->wants_cert ? "; clients need one too" : "");
}

/* -1: there is nobody to talk to. */
static int
try_name(struct probe *p, const char *name)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct shown shown[2] = { { .done = false }, { .done = false } };
	struct err err = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; i < 2 && rc == 0; i++) {
		int fd = dial(p, &err);

		if (fd < 0) {
			findings_add(&p->findings, FINDING_FAIL, "%s",
			    err.text);
			rc = -1;
		} else {
			shake_hands(name, versions[i], fd, &shown[i]);
			close(fd);
		}
	}
	if (rc == 0)
		judge(p, name, &shown[0], &shown[1]);
	for (size_t i = 0; i < 2; i++)
		sk_X509_pop_free(shown[i].chain, X509_free);
	return rc;
}

/* ---- which names -------------------------------------------------------- */

/* *.a.example is asked for as one that only it matches. */
static void
add_name(struct probe *p, const char *name, size_t len)
{
	bool wildcard = len > 1 && name[0] == '*' && name[1] == '.';
	char shown[NAME_MAX_BYTES - 16];

	if (len == 0 || len >= sizeof(shown))
		return;
	str_escape(name + wildcard, len - wildcard, shown, sizeof(shown));
	if (p->n_names == NAMES_MAX) {
		p->more = true;
		return;
	}
	snprintf(p->names[p->n_names], NAME_MAX_BYTES, "%s%s",
	    wildcard ? "any-label" : "", shown);
	for (size_t i = 0; i < p->n_names; i++)
		if (strcmp(p->names[i], p->names[p->n_names]) == 0)
			return;
	p->n_names++;
}

/* Without any, the address is tried without a name. */
static void
add_names_of(struct probe *p, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name,
	    NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(p, (const char *)ASN1_STRING_get0_data(
			    name->d.dNSName), (size_t)ASN1_STRING_length(
			    name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
}

static void
add_word(struct probe *p, const char *word)
{
	struct err err = ERR_INIT;
	X509 *cert = NULL;

	if (word[0] != '@') {
		add_name(p, word, strlen(word));
		return;
	}
	if (pem_read_cert(word + 1, &cert, &err) == -1)
		findings_add(&p->findings, FINDING_WARN, "%s: its names are "
		    "not tried: %s", p->where, err.text);
	if (cert != NULL)
		add_names_of(p, cert);
	X509_free(cert);
}

/* ---- the command -------------------------------------------------------- */

/* ADDRESS CAFILE|"" (NAME|@CERTIFICATE)...: the arguments are wssctl's. */
int
tool_probe(int argc, char **argv)
{
	struct probe p = { .n_names = 0 };
	struct err err = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || addr_parse(argv[0], &p.addr, &err) == -1 ||
	    trust_init(&p.trust, argv[1][0] == '\0' ? NULL : argv[1],
	    &err) == -1) {
		fprintf(stderr, "wssctl: %s\n", err.text);
		return TOOL_USAGE;
	}
	addr_format(&p.addr, p.where);
	for (int i = 2; i < argc; i++)
		add_word(&p, argv[i]);
	if (p.n_names == 0)
		(void)try_name(&p, "");
	for (size_t i = 0; i < p.n_names; i++)
		if (try_name(&p, p.names[i]) == -1)
			break;
	if (p.more)
		findings_add(&p.findings, FINDING_WARN, "%s: only the first "
		    "%d names are tried", p.where, NAMES_MAX);
	trust_done(&p.trust);
	return p.findings.failed > 0 ? TOOL_FAILED : TOOL_OK;
}
