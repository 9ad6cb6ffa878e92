/* SPDX-License-Identifier: MIT */
/* Owns nothing; reads /proc and the clocks. */
#include "meter.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* A thread that ended meanwhile counts nothing. */
static uint64_t
thread_ns(pid_t pid, const char *tid)
{
	char path[300];
	uint64_t ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid,
	    tid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

int
meter_cpu_ns(const struct meter_pids *pids, uint64_t *ns_out, struct err *err)
{
	uint64_t ns = 0;
	char path[64];
	struct dirent *entry;
	DIR *dir;
	size_t i;

	for (i = 0; i < pids->count; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task",
		    (int)pids->pid[i]);
		dir = opendir(path);
		if (dir == NULL)
			return err_set_errno(err, "%s", path);
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				ns += thread_ns(pids->pid[i], entry->d_name);
		closedir(dir);
	}
	*ns_out = ns;
	return 0;
}

int
meter_pss_kib(const struct meter_pids *pids, uint64_t *kib_out,
    struct err *err)
{
	uint64_t sum = 0, kib;
	char line[256];
	FILE *f;
	size_t i;

	for (i = 0; i < pids->count; i++) {
		snprintf(line, sizeof(line), "/proc/%d/smaps_rollup",
		    (int)pids->pid[i]);
		f = fopen(line, "re");
		if (f == NULL)
			return err_set_errno(err, "%s", line);
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
				sum += kib;
		fclose(f);
	}
	*kib_out = sum;
	return 0;
}

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
meter_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t
meter_self_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* The best of some rounds: what disturbs can only make it longer. */
double
meter_syscall_ns(void)
{
	enum { ROUNDS = 20, CALLS = 20000 };
	uint64_t start, took, best = UINT64_MAX;
	int i, k;

	for (i = 0; i < ROUNDS; i++) {
		start = meter_now_ns();
		for (k = 0; k < CALLS; k++)
			syscall(SYS_getppid);
		took = meter_now_ns() - start;
		if (took < best)
			best = took;
	}
	return (double)best / CALLS;
}

/*
 * Values below 2^SUB_BITS have a bucket each; above, each power of two is
 * divided into 2^SUB_BITS steps.
 */
void
meter_add(struct meter_histogram *h, uint64_t ns)
{
	unsigned shift = 0;
	uint64_t bucket = ns;

	if (ns >> METER_SUB_BITS != 0) {
		shift = (unsigned)(63 - __builtin_clzll(ns)) - METER_SUB_BITS;
		bucket = ((uint64_t)shift << METER_SUB_BITS) + (ns >> shift);
	}
	h->count[bucket]++;
	h->total++;
	if (ns > h->max)
		h->max = ns;
}

double
meter_percentile_us(const struct meter_histogram *h, double share)
{
	uint64_t seen = 0, want, ns;
	unsigned i, shift;

	want = (uint64_t)(share * (double)h->total);
	for (i = 0; i < METER_BUCKETS; i++) {
		seen += h->count[i];
		if (seen > want)
			break;
	}
	if (i >= METER_BUCKETS)
		return (double)h->max / 1000;
	shift = i >> METER_SUB_BITS;
	if (shift <= 1)
		return (double)i / 1000;
	shift--;
	ns = (uint64_t)(i - (shift << METER_SUB_BITS)) << shift;
	return (double)ns / 1000;
}
