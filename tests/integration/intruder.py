# SPDX-License-Identifier: MIT
"""A module that tries what a worker must not do."""

# It makes the system call that a message names, "kill 17 9", and answers with
# "done" or the error.  Words with a / stay strings.  "zone" asks for the
# offset of the local time, "overflow" writes behind a block.
SOURCE = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <wssd/handler.h>

#define CALL(name) { #name, SYS_##name }

static const struct { const char *name; long number; } calls[] = {
	CALL(openat), CALL(mkdirat), CALL(unlinkat), CALL(socket),
	CALL(connect), CALL(bind), CALL(kill), CALL(tgkill), CALL(clone),
	CALL(mmap), CALL(prctl), CALL(setuid), CALL(io_uring_setup),
	CALL(execve), CALL(ptrace), CALL(mount), CALL(unshare), CALL(bpf),
	CALL(process_vm_readv), CALL(chroot), CALL(getpid),
	CALL(shutdown), CALL(sendmsg), CALL(sendmmsg), CALL(setsockopt), CALL(fcntl),
};

static long
argument(char *word)
{
	return word[0] == '/' ? (long)word : strtol(word, NULL, 0);
}

static const char *
make_call(char *text)
{
	char *word = strtok(text, " ");
	long number = -1, args[6] = { 0 };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, word) == 0)
			number = calls[i].number;
	for (int i = 0; i < 6 && (word = strtok(NULL, " ")) != NULL; i++)
		args[i] = argument(word);
	if (syscall(number, args[0], args[1], args[2], args[3], args[4],
	    args[5]) == -1)
		return strerrorname_np(errno);
	return "done";
}

static const char *
zone(void)
{
	static char text[32];
	time_t t = 0;
	struct tm tm;

	localtime_r(&t, &tm);
	snprintf(text, sizeof(text), "%ld", tm.tm_gmtoff);
	return text;
}

static void
on_message(struct wss_conn *conn, const struct wss_message *m)
{
	char text[256] = "";
	char *volatile block = malloc(8);
	const char *answer;

	memcpy(text, m->data, m->len < 255 ? m->len : 255);
	if (strcmp(text, "overflow") == 0)
		block[8] = 1;
	answer = strcmp(text, "zone") == 0 ? zone() : make_call(text);
	free(block);
	wss_send(conn, 1, answer, strlen(answer));
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "intruder", .message = on_message };
"""
