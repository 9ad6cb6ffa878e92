/* SPDX-License-Identifier: MIT */
/*
 * common/sandbox and common/landlock, in children: every system call of the
 * machine is tried under the filter, and the arguments and files that count.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/sandbox.h"

#define CALLS 512
#define SKIPPED 77		/* this machine cannot confine */

enum outcome { ALLOWED, REFUSED, KILLED };

static const char *const outcomes[] = { "allowed", "refused", "killed" };

static void
say(const char *sentence)
{
	fprintf(stderr, "%s\n", sentence);
}

/* An old kernel, or a container that forbids it. */
static void
not_here(void)
{
	if (getenv("WSSD_NO_SKIP") != NULL)
		fail_msg("this machine cannot confine a process");
	skip();
}

static void
forget(void *arg, const char *call)
{
	(void)arg, (void)call;
}

static void
enter(unsigned features)
{
	struct sandbox s = { .features = features };

	/* cmocka's own handlers would go on with its tests. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    (sandbox_enter(&s, say) & SANDBOX_SECCOMP) == 0)
		_exit(SKIPPED);
}

/* Whether the filter let the body's last call pass. */
static enum outcome
in_child(unsigned features, void (*body)(long), long arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		enter(features);
		body(arg);
		_exit(sandbox_report(forget, NULL) > 0 ? REFUSED : ALLOWED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : ALLOWED;
	if (WEXITSTATUS(status) == SKIPPED)
		not_here();
	return WEXITSTATUS(status) == REFUSED ? REFUSED : ALLOWED;
}

/* ---- every call --------------------------------------------------------- */

static void
call(long number)
{
	(void)syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
}

static bool
holds(const struct sandbox_row *row, uint64_t argument)
{
	for (size_t i = 0; i < SANDBOX_CONDITIONS; i++) {
		const struct sandbox_condition *c = &row->conditions[i];

		if (c->mask != 0 && (c->value == SANDBOX_OWN_PID ||
		    (argument & c->mask) != c->value))
			return false;
	}
	return true;
}

/* What the table says of a call with all bits set in its arguments. */
static enum outcome
expected(unsigned features, long number)
{
	const struct sandbox_row *rows;
	enum outcome outcome = REFUSED;
	size_t n;

	rows = sandbox_table(&n);
	for (size_t i = 0; i < n; i++) {
		if (seccomp_syscall_resolve_name(rows[i].call) != number ||
		    (rows[i].features != 0 &&
		    (rows[i].features & features) == 0))
			continue;
		if (holds(&rows[i], UINT64_MAX))
			outcome = rows[i].verdict == SANDBOX_KILL ? KILLED :
			    ALLOWED;
	}
	return outcome;
}

/*
 * Newer kernels put uretprobe(2) and uprobe(2) into traced code, let them
 * pass by every filter, and end whoever calls them by hand.  And
 * rt_sigreturn(2) takes all registers from the stack, where by hand there
 * are none: how that ends is chance.
 */
static bool
cannot_be_tried(long number)
{
#ifdef __x86_64__
	if (number == 335 || number == 336)
		return true;
#endif
	return number == SYS_rt_sigreturn;
}

static void
every_call(unsigned features)
{
	unsigned counts[3] = { 0 };

	for (long i = 0; i < CALLS; i++) {
		enum outcome want = expected(features, i);
		enum outcome got;

		if (cannot_be_tried(i))
			continue;
		got = in_child(features, call, i);
		counts[got]++;
		if (got != want)
			fail_msg("call %ld is %s, not %s", i, outcomes[got],
			    outcomes[want]);
	}
	printf("%u allowed, %u refused, %u kill\n", counts[ALLOWED],
	    counts[REFUSED], counts[KILLED]);
	assert_true(counts[ALLOWED] >= 40 && counts[ALLOWED] < 80);
	assert_true(counts[KILLED] >= 35);
}

static void
worker_calls(void **state)
{
	(void)state;
	every_call(SANDBOX_WORKER);
}

static void
rows_are_sane(void **state)
{
	const struct sandbox_row *rows;
	size_t n;

	(void)state;
	rows = sandbox_table(&n);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(rows[i].call);
		if (rows[i].reason == NULL || rows[i].reason[0] == '\0')
			fail_msg("%s has no reason", rows[i].call);
		if (seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64,
		    rows[i].call) == __NR_SCMP_ERROR ||
		    seccomp_syscall_resolve_name_arch(SCMP_ARCH_AARCH64,
		    rows[i].call) == __NR_SCMP_ERROR)
			fail_msg("there is no call %s", rows[i].call);
	}
}

/* ---- arguments ---------------------------------------------------------- */

static void
map_with(long protection)
{
	(void)mmap(NULL, 4096, (int)protection, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
}

static void
protect_with(long protection)
{
	static char page[2 * 4096] __attribute__((aligned(4096)));

	(void)mprotect(page, 4096, (int)protection);
}

static void
fcntl_with(long command)
{
	(void)fcntl(0, (int)command, 100);
}

static void
set_option_of(long level)
{
	int one = 1;

	(void)setsockopt(0, (int)level, TCP_NODELAY, &one, sizeof(one));
}

static void
get_option_of(long level)
{
	int value;
	socklen_t len = sizeof(value);

	(void)getsockopt(0, (int)level, SO_ERROR, &value, &len);
}

static void
signal_thread_of(long pid)
{
	(void)syscall(SYS_tgkill, pid == 0 ? getpid() : (pid_t)pid,
	    (pid_t)pid, 0);
}

static void
stat_with(long flags)
{
	struct stat st;

	(void)fstatat(0, "", &st, (int)flags);
}

static void
socket_of(long family)
{
	(void)socket((int)family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void
open_with(long flags)
{
	(void)open("/", (int)flags, 0600);
}

static void
raise_limit(long unused)
{
	long limit[2] = { 1, 1 };

	(void)unused;
	(void)syscall(SYS_prlimit64, 0, 0, limit, NULL);
}

static void
ask_limit(long unused)
{
	long limit[2];

	(void)unused;
	(void)syscall(SYS_prlimit64, 0, 0, NULL, limit);
}

#define W SANDBOX_WORKER
#define OPEN (SANDBOX_WORKER | SANDBOX_FOLDERS)

static void
arguments_count(void **state)
{
	static const struct {
		unsigned features;
		void (*body)(long);
		long arg;
		enum outcome want;
	} cases[] = {
		{ W, map_with, PROT_READ | PROT_WRITE, ALLOWED },
		{ W, map_with, PROT_READ | PROT_EXEC, REFUSED },
		{ W, map_with, PROT_WRITE | PROT_EXEC, REFUSED },
		{ W, protect_with, PROT_READ, ALLOWED },
		{ W, protect_with, PROT_READ | PROT_EXEC, REFUSED },
		{ W, fcntl_with, F_GETFL, ALLOWED },
		{ W, fcntl_with, F_DUPFD_CLOEXEC, ALLOWED },
		{ W, fcntl_with, F_SETFL, REFUSED },
		{ W, fcntl_with, F_SETOWN, REFUSED },
		{ W, fcntl_with, F_SETLK, REFUSED },
		{ 0, fcntl_with, F_DUPFD_CLOEXEC, REFUSED },
		{ W, set_option_of, IPPROTO_TCP, ALLOWED },
		{ W, set_option_of, SOL_SOCKET, REFUSED },
		{ W, set_option_of, IPPROTO_IP, REFUSED },
		{ W, set_option_of, IPPROTO_IPV6, REFUSED },
		{ W, get_option_of, SOL_SOCKET, ALLOWED },
		{ W, get_option_of, IPPROTO_IP, REFUSED },
		{ W, signal_thread_of, 0, ALLOWED },
		{ W, signal_thread_of, 1, REFUSED },
		{ W, stat_with, AT_EMPTY_PATH, ALLOWED },
		{ W, stat_with, 0, REFUSED },
		{ W, socket_of, AF_INET, REFUSED },
		{ W, socket_of, AF_UNIX, REFUSED },
		{ W, open_with, O_RDONLY, REFUSED },
		{ OPEN, open_with, O_RDONLY, ALLOWED },
		{ OPEN, open_with, O_RDWR, REFUSED },
		{ OPEN, open_with, O_RDONLY | O_CREAT, REFUSED },
		{ OPEN, socket_of, AF_INET, REFUSED },
		{ W, ask_limit, 0, ALLOWED },
		{ W, raise_limit, 0, REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum outcome got = in_child(cases[i].features, cases[i].body,
		    cases[i].arg);

		if (got != cases[i].want)
			fail_msg("case %zu is %s, not %s", i, outcomes[got],
			    outcomes[cases[i].want]);
	}
}

/* ---- what a process can know of it -------------------------------------- */

#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "line %d: not %s\n", __LINE__, #cond); \
			_exit(1);                                            \
		}                                                            \
	} while (0)

static void
checks_in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		not_here();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
collect(void *arg, const char *name)
{
	char *names = arg;

	strcat(names, name);
	strcat(names, " ");
}

static void
report_body(void)
{
	char names[128] = "";
	pid_t parent = getppid();

	enter(W);
	CHECK(sandbox_report(collect, names) == 0);
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EPERM);
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EPERM);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM);
	CHECK(sandbox_report(collect, names) == 3);
	CHECK(strstr(names, "openat ") != NULL);
	CHECK(strstr(names, "socket ") != NULL);
	CHECK(strlen(names) == strlen("openat socket "));
	names[0] = '\0';
	CHECK(kill(parent, 0) == -1 && errno == EPERM);
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EPERM);
	CHECK(sandbox_report(collect, names) == 2);
	CHECK(strcmp(names, "kill ") == 0);
	CHECK(sandbox_report(collect, names) == 0);
	CHECK(prctl(PR_GET_DUMPABLE) == -1 && errno == EPERM);
}

static void
refusals_are_told(void **state)
{
	(void)state;
	checks_in_child(report_body);
}

static bool told;

static void
note(const char *sentence)
{
	told = strstr(sentence, "seccomp") != NULL;
}

static void
missing_body(void)
{
	struct sandbox s = { .features = W };
	unsigned layers;

	/* The first filter refuses the calls that the second one needs. */
	enter(W);
	layers = sandbox_enter(&s, note);
	CHECK(layers == 0);
	CHECK(told);
}

static void
what_is_missing_is_told(void **state)
{
	(void)state;
	checks_in_child(missing_body);
}

/* ---- files -------------------------------------------------------------- */

static char folder[] = "/tmp/wssd-sandbox-XXXXXX";

static int
make_files(void **state)
{
	int fd;

	(void)state;
	if (mkdtemp(folder) == NULL || chdir(folder) != 0 ||
	    mkdir("in", 0755) != 0)
		return -1;
	fd = open("in/file", O_CREAT | O_WRONLY, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return -1;
	close(fd);
	return symlink("/etc/passwd", "in/link");
}

static int
remove_files(void **state)
{
	(void)state;
	unlink("in/file");
	unlink("in/link");
	rmdir("in");
	return chdir("/") != 0 || rmdir(folder) != 0 ? -1 : 0;
}

/* Landlock's own no is EACCES, the filter's EPERM. */
static void
folders_body(void)
{
	int dir = open("in", O_PATH | O_DIRECTORY);
	struct sandbox s = { OPEN, &dir, 1 };

	CHECK(dir >= 0);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (sandbox_enter(&s, say) != (SANDBOX_SECCOMP | SANDBOX_LANDLOCK))
		_exit(SKIPPED);
	CHECK(openat(dir, "file", O_RDONLY) >= 0);
	CHECK(openat(dir, "link", O_RDONLY) == -1 && errno == EACCES);
	CHECK(openat(dir, "../in/file", O_RDONLY) >= 0);
	CHECK(openat(dir, "../../../etc/passwd", O_RDONLY) == -1 &&
	    errno == EACCES);
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
	CHECK(open("/", O_RDONLY | O_DIRECTORY) == -1 && errno == EACCES);
	CHECK(openat(dir, "file", O_WRONLY) == -1 && errno == EPERM);
}

static void
only_folders_can_be_read(void **state)
{
	(void)state;
	checks_in_child(folders_body);
}

/* ---- who needs what ----------------------------------------------------- */

static void
handlers_need(void **state)
{
	char echo[] = "echo", files[] = "static";
	struct config_route routes[2] = { { .handler = echo },
		{ .handler = files } };
	struct config config = { .routes = routes, .n_routes = 1 };

	(void)state;
	assert_int_equal(sandbox_needs(&config), 0);
	config.n_routes = 2;
	assert_int_equal(sandbox_needs(&config), SANDBOX_FOLDERS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sane),
		cmocka_unit_test(worker_calls),
		cmocka_unit_test(arguments_count),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(what_is_missing_is_told),
		cmocka_unit_test_setup_teardown(only_folders_can_be_read,
		    make_files, remove_files),
		cmocka_unit_test(handlers_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
