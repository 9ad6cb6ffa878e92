/* SPDX-License-Identifier: MIT */
/*
 * Owns the filter of this process, and what it has refused: this is the one
 * mutable state beside log.c, because the handler of a signal is given
 * nothing to keep it in.  Runs in every process that is confined.
 */
#include "common/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/landlock.h"

/* ---- what was refused --------------------------------------------------- */

#define CALLS 1024		/* numbers are below 500 */
#define NEW 1
#define TOLD 2

static struct {
	atomic_uint_fast64_t total;
	uint64_t reported;
	atomic_bool fresh;		/* a call is NEW */
	atomic_uchar calls[CALLS];
} refused;

/* Where a signal's handler can say what the call returns. */
#if defined(__x86_64__)
#define HAVE_TRAP 1
#define RETURN_OF(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define HAVE_TRAP 1
#define RETURN_OF(context) ((context)->uc_mcontext.regs[0])
#else
#define HAVE_TRAP 0		/* refused all the same, without a line */
#endif

#if HAVE_TRAP
/*
 * Instead of a refused call.  It must not log: the call may come from
 * within the C library, which may hold locks.
 */
static void
on_refused(int signal_number, siginfo_t *info, void *arg)
{
	ucontext_t *context = arg;
	unsigned call = (unsigned)info->si_syscall % CALLS;

	(void)signal_number;
	atomic_fetch_add(&refused.total, 1);
	if (atomic_load(&refused.calls[call]) == 0) {
		atomic_store(&refused.calls[call], NEW);
		atomic_store(&refused.fresh, true);
	}
	RETURN_OF(context) = -EPERM;
}
#endif

static void
tell(unsigned call, void (*told)(void *arg, const char *call), void *arg)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
	    (int)call);

	told(arg, name != NULL ? name : "unknown");
	free(name);
}

uint64_t
sandbox_report(void (*told)(void *arg, const char *call), void *arg)
{
	uint64_t total = atomic_load(&refused.total);
	uint64_t n = total - refused.reported;

	refused.reported = total;
	if (!atomic_exchange(&refused.fresh, false))
		return n;
	for (unsigned i = 0; i < CALLS; i++)
		if (atomic_load(&refused.calls[i]) == NEW) {
			atomic_store(&refused.calls[i], TOLD);
			tell(i, told, arg);
		}
	return n;
}

/* ---- the filter --------------------------------------------------------- */

static int
add_row(scmp_filter_ctx filter, const struct sandbox_row *row)
{
	struct scmp_arg_cmp conditions[SANDBOX_CONDITIONS];
	unsigned n = 0;
	int call = seccomp_syscall_resolve_name(row->call);

	/* Below zero: this machine does not have it. */
	if (call < 0)
		return 0;
	for (size_t i = 0; i < SANDBOX_CONDITIONS; i++) {
		const struct sandbox_condition *c = &row->conditions[i];

		if (c->mask != 0)
			conditions[n++] = SCMP_CMP(c->argument,
			    SCMP_CMP_MASKED_EQ, c->mask,
			    c->value == SANDBOX_OWN_PID ?
			    (scmp_datum_t)getpid() : c->value & c->mask);
	}
	return seccomp_rule_add_array(filter,
	    row->verdict == SANDBOX_KILL ? SCMP_ACT_KILL_PROCESS :
	    SCMP_ACT_ALLOW, call, n, conditions);
}

static int
add_rows(scmp_filter_ctx filter, unsigned features)
{
	const struct sandbox_row *rows;
	size_t n;
	int rc = 0;

	rows = sandbox_table(&n);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (rows[i].features == 0 || (rows[i].features & features))
			rc = add_row(filter, &rows[i]);
	return rc;
}

static int
set_attributes(scmp_filter_ctx filter)
{
	/* Another architecture's calls have other numbers. */
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);

	/* Old kernels slow each process with a filter down, for the sake of
	   sandboxes that run foreign code; this one runs none.  Calls are
	   found by a binary search.  Neither is a must. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return rc;
}

static int
trap_refusals(void)
{
#if HAVE_TRAP
	struct sigaction action = { .sa_sigaction = on_refused,
		.sa_flags = SA_SIGINFO };

	return sigaction(SIGSYS, &action, NULL);
#else
	return 0;
#endif
}

static int
enter_seccomp(unsigned features, struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(HAVE_TRAP ? SCMP_ACT_TRAP :
	    SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (filter == NULL || trap_refusals() != 0) {
		seccomp_release(filter);
		return err_set(err, "seccomp: out of memory");
	}
	rc = set_attributes(filter);
	if (rc == 0)
		rc = add_rows(filter, features);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_set_errno(err, "the kernel takes no seccomp filter");
}

unsigned
sandbox_enter(const struct sandbox *sandbox,
    void (*missing)(const char *sentence))
{
	struct landlock landlock = {
		.folders = sandbox->folders,
		.n_folders = sandbox->n_folders,
	};
	unsigned layers = 0;
	struct err err = ERR_INIT;

	/* No core file with keys in it, and no debugger of the same user. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (landlock_enter(&landlock, &err) == 0)
		layers |= SANDBOX_LANDLOCK;
	else
		missing(err.text);
	/* The last: it refuses Landlock's calls too. */
	if (enter_seccomp(sandbox->features, &err) == 0)
		layers |= SANDBOX_SECCOMP;
	else
		missing(err.text);
	return layers;
}
