/* SPDX-License-Identifier: MIT */
/*
 * Log lines: time, level, process tag, text.
 *
 *   2026-11-22T12:00:00.123Z warn  w2 conn=2f01 192.0.2.7 close 1009 ...
 *
 * The only module with state of its own (where lines go, from which level
 * on), because a line must be possible from anywhere.  It is called from
 * master/, the top of worker/ and the commands; the pure parts and common/
 * never log.  Not async-signal-safe.  Bytes of a peer go through
 * str_escape() before they come here; secrets never do.
 */
#ifndef WSSD_COMMON_LOG_H
#define WSSD_COMMON_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG };

enum log_format {
	LOG_FORMAT_PLAIN,	/* with the time: terminals and files */
	LOG_FORMAT_JOURNAL,	/* "<N>" in front, no time: systemd's journal */
	LOG_FORMAT_SYSLOG	/* one RFC 3164 datagram a line, to /dev/log */
};

/*
 * Lines go to fd from now on.  The descriptor stays the caller's, who keeps
 * it open until the next log_to().  At the start it is stderr, PLAIN.
 */
void log_to(int fd, enum log_format);
void log_set_level(enum log_level);
enum log_level log_level(void);
/* The process tag, e.g. "master" or "w2"; copied, cut at 15 bytes. */
void log_set_tag(const char *);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_at(enum log_level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Logs "fatal" and aborts: only before READY, out of memory, or a bug. */
_Noreturn void fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif
