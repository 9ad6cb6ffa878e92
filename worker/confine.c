/* SPDX-License-Identifier: MIT */
/*
 * Owns the order in which a worker gives up its rights.  Nothing of it can
 * be had back: a config that needs more gets new workers.
 */
#include "worker/confine.h"

#include <openssl/ssl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/log.h"
#include "common/privdrop.h"
#include "common/sandbox.h"
#include "worker/uring.h"
#include "worker/worker.h"

/* What libraries would look for later, when there are no files. */
static void
load_what_libraries_need(void)
{
	tzset();
	/* openssl.cnf, and the providers it names. */
	OPENSSL_init_ssl(0, NULL);
}

/*
 * While we still may: a sysctl can leave io_uring to the privileged, and the
 * sandbox knows nothing of io_uring_setup().
 */
static bool
use_uring(struct worker *w, const struct config *config)
{
	struct uring *uring;
	struct err err;

	if (config->daemon.io_uring == CONFIG_IO_URING_OFF)
		return false;
	uring = uring_new(&err);
	if (uring == NULL)
		log_info("no io_uring, a system call for each connection "
		    "then: %s", err.text);
	transport_use(w->transport, uring);
	metrics_set(&w->metrics->io_uring, uring != NULL);
	return uring != NULL;
}

static void
give_up_user(const struct config_daemon *d, struct privdrop_ids *ids_out,
    struct err *err)
{
	if (privdrop_lookup(d->user, d->group, ids_out, err) == -1 ||
	    privdrop(ids_out, err) == -1)
		fatal("cannot give up privileges: %s", err->text);
	/* The kernel forgot it with the change of user; see main.c. */
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
}

static void
on_missing(const char *sentence)
{
	log_warn("confined less than it should be: %s", sentence);
}

/* The folders whose files are opened later: those of static. */
static size_t
find_folders(const struct files *files, int folders[CONFIG_ROUTES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < files->n && n < CONFIG_ROUTES_MAX; i++)
		if (S_ISDIR(files->items[i].st.st_mode))
			folders[n++] = files->items[i].fd;
	return n;
}

int
confine(struct worker *w, const struct config *config, struct err *err)
{
	struct sandbox sandbox = {
		.features = SANDBOX_WORKER | sandbox_needs(config),
	};
	int folders[CONFIG_ROUTES_MAX];
	struct privdrop_ids ids;
	unsigned layers;

	if (modules_load(&w->modules, config, &w->files, err) == -1)
		return -1;
	if (w->confined)
		return 0;
	load_what_libraries_need();
	if (use_uring(w, config))
		sandbox.features |= SANDBOX_IO_URING;
	give_up_user(&config->daemon, &ids, err);
	layers = ids.superuser ? SANDBOX_EMPTY_ROOT : 0;
	sandbox.folders = folders;
	sandbox.n_folders = find_folders(&w->files, folders);
	if (config->daemon.sandbox)
		layers |= sandbox_enter(&sandbox, on_missing);
	metrics_set(&w->metrics->confined_by, layers);
	w->confined = true;
	return 0;
}

static void
on_refused(void *arg, const char *call)
{
	(void)arg;
	log_warn("the sandbox refused the system call %s (see sandbox in "
	    "wssd.ini(5))", call);
}

void
confine_tick(struct worker *w)
{
	uint64_t n = sandbox_report(on_refused, NULL);

	if (n > 0 && w->metrics != NULL)
		metrics_add(&w->metrics->sandbox_refused, (int64_t)n);
}
