/* SPDX-License-Identifier: MIT */
/*
 * Runs a program for which every system call costs what the caller says:
 *
 *	bench-dear NANOSECONDS PROGRAM [ARGUMENT]...
 *
 * What a server saves by making fewer calls depends on their price, which is
 * 0.1 us on one machine and 1 us on another (mitigations, virtual machines,
 * sandboxes).  Here a seccomp filter that allows everything is what costs:
 * multiplications, each of which waits for the one before.  The program's
 * children inherit it.  Operations in an io_uring pay nothing, as they do not
 * enter the kernel; io_uring_enter(2) does.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meter.h"

#define STEPS_MAX (BPF_MAXINSNS - 2)
#define FEW 1
#define MANY 1001

static int
make_dear(size_t steps)
{
	struct sock_filter filter[STEPS_MAX + 2];
	struct sock_fprog program = { .filter = filter };
	size_t n = 0;

	/* Not the number: the kernel runs no filter that needs only that. */
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, instruction_pointer));
	while (steps-- > 0)
		filter[n++] = (struct sock_filter)BPF_STMT(
		    BPF_ALU | BPF_MUL | BPF_K, 0x10001);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0,
	    &program);
}

/* In a child, as a filter stays for good. */
static double
price_of(size_t steps)
{
	double price = -1;
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (make_dear(steps) == 0)
			price = meter_syscall_ns();
		_exit(write(ends[1], &price, sizeof(price)) !=
		    sizeof(price));
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &price, sizeof(price)) != sizeof(price))
		price = -1;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return price;
}

static size_t
steps_for(double wanted)
{
	double few = price_of(FEW), many = price_of(MANY), steps;

	if (few < 0 || many <= few) {
		fprintf(stderr, "bench-dear: seccomp: %s\n",
		    strerror(errno));
		exit(1);
	}
	steps = FEW + (wanted - few) / (many - few) * (MANY - FEW);
	if (steps < FEW || steps > STEPS_MAX) {
		fprintf(stderr, "bench-dear: a system call cannot cost %.0f "
		    "ns here, only %.0f to %.0f\n", wanted, few,
		    few + (many - few) / (MANY - FEW) * (STEPS_MAX - FEW));
		exit(1);
	}
	return (size_t)steps;
}

int
main(int argc, char **argv)
{
	char *end = NULL;
	double wanted = argc > 2 ? strtod(argv[1], &end) : 0;

	if (end == NULL || end == argv[1] || *end != '\0') {
		fprintf(stderr, "usage: bench-dear NANOSECONDS PROGRAM "
		    "[ARGUMENT]...\n");
		return 2;
	}
	if (make_dear(steps_for(wanted)) == 0)
		execvp(argv[2], argv + 2);
	fprintf(stderr, "bench-dear: %s: %s\n", argv[2], strerror(errno));
	return 127;
}
