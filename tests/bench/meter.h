/* SPDX-License-Identifier: MIT */
/*
 * What is measured: CPU time and memory of the server's processes, and
 * latencies.
 */
#ifndef WSSD_BENCH_METER_H
#define WSSD_BENCH_METER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

#define METER_PIDS_MAX 64

struct meter_pids {
	pid_t pid[METER_PIDS_MAX];
	size_t count;
};

/* Run time of all threads that live, in ns (/proc/PID/task/TID/schedstat). */
int meter_cpu_ns(const struct meter_pids *, uint64_t *ns_out, struct err *);
/* Proportional set size in KiB (/proc/PID/smaps_rollup). */
int meter_pss_kib(const struct meter_pids *, uint64_t *kib_out, struct err *);

uint64_t meter_now_ns(void);
/* CPU time of this process. */
uint64_t meter_self_ns(void);
/* The price of the cheapest system call on this machine, in ns. */
double meter_syscall_ns(void);

/* A histogram with steps of less than one percent. */
#define METER_SUB_BITS 7
#define METER_BUCKETS ((64 - METER_SUB_BITS + 1) << METER_SUB_BITS)

struct meter_histogram {
	uint64_t count[METER_BUCKETS];
	uint64_t total, max;
};

void meter_add(struct meter_histogram *, uint64_t ns);
/* The latency that `share` (0..1) of all did not exceed, in µs. */
double meter_percentile_us(const struct meter_histogram *, double share);

#endif
