/* SPDX-License-Identifier: MIT */
/*
 * wssctl dev-cert: ca.pem, ca.key, cert.pem and key.pem in a folder.  Never
 * overwrites a private key, nor a certificate that is not its own.
 */
#include <errno.h>
#include <limits.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "worker/tool/issue.h"
#include "worker/tool/pem.h"
#include "worker/tool/tool.h"

#define NAMES_MAX 64
#define RENEW_BEFORE (7 * 86400L)	/* seconds */

struct job {
	char dir[PATH_MAX];
	char *ca_path, *ca_key_path, *cert_path, *key_path;
	struct cert_name names[NAMES_MAX];
	size_t n_names;
	X509 *ca, *cert;
	EVP_PKEY *ca_key, *key;
	bool new_ca, new_cert;
};

static bool
is_good_for_a_while(const X509 *cert)
{
	time_t then = time(NULL) + RENEW_BEFORE;

	return X509_cmp_time(X509_get0_notAfter(cert), &then) > 0 &&
	    X509_cmp_time(X509_get0_notBefore(cert), NULL) < 0;
}

/* Made by this program, here or somewhere else. */
static bool
is_ours(X509 *cert)
{
	char name[128];

	return X509_NAME_get_text_by_NID(X509_get_issuer_name(cert),
	    NID_commonName, name, sizeof(name)) > 0 &&
	    strncmp(name, ISSUE_CA_NAME, strlen(ISSUE_CA_NAME)) == 0;
}

/* ---- the arguments ------------------------------------------------------ */

static int
take_names(struct job *j, int argc, char **argv, struct err *err)
{
	static const char *const otherwise[] = { "localhost", "127.0.0.1",
		"::1" };
	const char *const *names = otherwise;

	if (argc == 0)
		argc = sizeof(otherwise) / sizeof(otherwise[0]);
	else
		names = (const char *const *)argv;
	if (argc > NAMES_MAX)
		return err_set(err, "these are more than %d names",
		    NAMES_MAX);
	for (int i = 0; i < argc; i++)
		if (cert_name_parse(names[i], &j->names[i], err) == -1)
			return -1;
	j->n_names = (size_t)argc;
	return 0;
}

static int
take_dir(struct job *j, const char *dir, struct err *err)
{
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return err_set_errno(err, "cannot make the folder %s", dir);
	if (realpath(dir, j->dir) == NULL)
		return err_set_errno(err, "cannot use the folder %s", dir);
	j->ca_path = xasprintf("%s/ca.pem", j->dir);
	j->ca_key_path = xasprintf("%s/ca.key", j->dir);
	j->cert_path = xasprintf("%s/cert.pem", j->dir);
	j->key_path = xasprintf("%s/key.pem", j->dir);
	return 0;
}

/* ---- the steps ---------------------------------------------------------- */

/* All that is there is read before anything is written. */
static int
read_files(struct job *j, struct err *err)
{
	if (pem_read_cert(j->ca_path, &j->ca, err) == -1 ||
	    pem_read_key(j->ca_key_path, &j->ca_key, err) == -1 ||
	    pem_read_cert(j->cert_path, &j->cert, err) == -1 ||
	    pem_read_key(j->key_path, &j->key, err) == -1)
		return -1;
	if (j->ca != NULL && j->ca_key == NULL)
		return err_set(err, "%s is there, but its key %s is not; "
		    "choose another --dir, or remove it", j->ca_path,
		    j->ca_key_path);
	if (j->ca != NULL && X509_check_private_key(j->ca, j->ca_key) != 1)
		return err_set(err, "%s is not the key of %s; choose another "
		    "--dir, or remove both", j->ca_key_path, j->ca_path);
	if (j->ca != NULL && !is_good_for_a_while(j->ca) && !is_ours(j->ca))
		return err_set(err, "%s is not valid for another week, and "
		    "not made by wssctl dev-cert; choose another --dir",
		    j->ca_path);
	if (j->cert != NULL && !is_ours(j->cert))
		return err_set(err, "%s is not made by wssctl dev-cert and is "
		    "left alone; choose another --dir", j->cert_path);
	return 0;
}

static int
make_ca(struct job *j, struct err *err)
{
	if (j->ca != NULL && is_good_for_a_while(j->ca))
		return 0;
	if (j->ca_key == NULL &&
	    ((j->ca_key = issue_key(err)) == NULL ||
	    pem_write_key(j->ca_key_path, j->ca_key, err) == -1))
		return -1;
	X509_free(j->ca);
	j->ca = issue_ca(j->ca_key, j->names, j->n_names, err);
	j->new_ca = true;
	return j->ca == NULL ? -1 : pem_write_cert(j->ca_path, j->ca, err);
}

static bool
cert_will_do(const struct job *j)
{
	return j->cert != NULL && j->key != NULL &&
	    is_good_for_a_while(j->cert) &&
	    X509_check_private_key(j->cert, j->key) == 1 &&
	    issue_has_names(j->cert, j->names, j->n_names) &&
	    issue_verify(j->cert, j->ca) == 0;
}

static int
check_cert(const struct job *j, struct err *err)
{
	int error = issue_verify(j->cert, j->ca);

	if (error == 0)
		return 0;
	if (error == X509_V_ERR_PERMITTED_VIOLATION)
		return err_set(err, "the CA in %s may sign only for localhost, "
		    ".test and the names it was made for: choose another "
		    "--dir, or remove ca.pem and have the new one trusted",
		    j->dir);
	return err_set(err, "the CA in %s cannot sign this: %s", j->dir,
	    X509_verify_cert_error_string(error));
}

/* With the key that is there: then one rename changes the pair. */
static int
make_cert(struct job *j, struct err *err)
{
	bool no_key = j->key == NULL;

	if (cert_will_do(j))
		return 0;
	if (no_key && (j->key = issue_key(err)) == NULL)
		return -1;
	X509_free(j->cert);
	j->cert = issue_leaf(j->key, j->ca, j->ca_key, j->names, j->n_names,
	    err);
	j->new_cert = true;
	if (j->cert == NULL || check_cert(j, err) == -1 || (no_key &&
	    pem_write_key(j->key_path, j->key, err) == -1))
		return -1;
	return pem_write_cert(j->cert_path, j->cert, err);
}

/* ---- what is said ------------------------------------------------------- */

static void
print_line(const char *path, X509 *cert, bool made, const char *what)
{
	struct tm tm = { 0 };
	char date[16];

	(void)ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm);
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	printf("%s %s, %s, valid until %s.\n", made ? "Made" : "Kept", path,
	    what, date);
}

static void
print_files(struct job *j)
{
	struct buf names = BUF_INIT;
	char ca[128] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(j->ca),
	    NID_commonName, ca, sizeof(ca));
	print_line(j->ca_path, j->ca, j->new_ca, ca);
	buf_printf(&names, "for");
	for (size_t i = 0; i < j->n_names; i++)
		buf_printf(&names, " %s", j->names[i].text);
	buf_put_u8(&names, '\0');
	print_line(j->cert_path, j->cert, j->new_cert,
	    (const char *)names.data);
	buf_done(&names);
	printf("\n"
	    "In wssd's config:\n"
	    "  [context]\n"
	    "  local_cert = \"%s\"\n"
	    "  local_pk = \"%s\"\n", j->cert_path, j->key_path);
}

static void
print_trust(const struct job *j)
{
	const char *path = j->ca_path;

	printf("\nClients have to trust the CA first; it can sign for "
	    "localhost, .test and the\nnames it was made for only:\n"
	    "  %s\n", path);
	printf("Debian, as root:\n"
	    "  cp '%s' /usr/local/share/ca-certificates/wssd-dev.crt\n"
	    "  update-ca-certificates\n", path);
	printf("Chromium and Chrome on Linux (package libnss3-tools):\n"
	    "  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n wssd-dev \\\n"
	    "    -i '%s'\n", path);
	printf("Firefox: Settings, Privacy & Security, Certificates, View "
	    "Certificates,\n  Authorities, Import.\n"
	    "Chrome: Settings, Privacy and security, Security, Manage "
	    "certificates,\n  Custom, Import.\n"
	    "curl: --cacert '%s'\n", path);
}

static void
done(struct job *j)
{
	X509_free(j->ca);
	X509_free(j->cert);
	EVP_PKEY_free(j->ca_key);
	EVP_PKEY_free(j->key);
	free(j->ca_path);
	free(j->ca_key_path);
	free(j->cert_path);
	free(j->key_path);
}

int
tool_dev_cert(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct job j = { .n_names = 0 };
	int code = TOOL_FAILED;

	if (take_names(&j, argc - 1, argv + 1, &err) == -1) {
		code = TOOL_USAGE;
	} else if (take_dir(&j, argv[0], &err) == 0 &&
	    read_files(&j, &err) == 0 && make_ca(&j, &err) == 0 &&
	    make_cert(&j, &err) == 0) {
		print_files(&j);
		print_trust(&j);
		code = fflush(stdout) == 0 ? TOOL_OK : TOOL_FAILED;
	}
	if (err.text[0] != '\0')
		fprintf(stderr, "wssctl: %s\n", err.text);
	done(&j);
	return code;
}
