/* SPDX-License-Identifier: MIT */
/*
 * Owns the one piece of global state of a process: where its log goes.
 * A line is built on the stack and leaves in one write, so lines of several
 * processes that share a file do not mix.
 */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"

#define LINE_MAX_BYTES 2048
#define SYSLOG_FACILITY_DAEMON (3 << 3)

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
	char tag[16];
} self = { STDERR_FILENO, LOG_FORMAT_PLAIN, LOG_LEVEL_INFO, "wssd" };

static const struct {
	const char *name;
	int priority;		/* syslog(3) and sd-daemon(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warn", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void
log_to(int fd, enum log_format format)
{
	self.fd = fd;
	self.format = format;
}

void
log_set_level(enum log_level level)
{
	self.level = level;
}

enum log_level
log_level(void)
{
	return self.level;
}

void
log_set_tag(const char *tag)
{
	snprintf(self.tag, sizeof(self.tag), "%s", tag);
}

static size_t
put_head(char *line, size_t size, enum log_level level, const char *name)
{
	struct timespec now;
	struct tm tm;
	char when[32];
	int n;

	switch (self.format) {
	case LOG_FORMAT_JOURNAL:
		n = snprintf(line, size, "<%d>%s ", levels[level].priority,
		    self.tag);
		break;
	case LOG_FORMAT_SYSLOG:
		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &tm);
		strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
		n = snprintf(line, size, "<%d>%s wssd[%d]: %s ",
		    SYSLOG_FACILITY_DAEMON | levels[level].priority, when,
		    (int)getpid(), self.tag);
		break;
	default:
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
		n = snprintf(line, size, "%s.%03ldZ %-5s %s ", when,
		    now.tv_nsec / 1000000, name, self.tag);
		break;
	}
	return n < 0 ? 0 : (size_t)n;
}

static void
put_line(enum log_level level, const char *name, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	size_t n;
	int len;

	n = put_head(line, sizeof(line) - 1, level, name);
	len = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	if (len > 0)
		n += (size_t)len < sizeof(line) - 1 - n ?
		    (size_t)len : sizeof(line) - 2 - n;
	if (self.format == LOG_FORMAT_SYSLOG) {
		(void)!send(self.fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		line[n++] = '\n';
		(void)!write(self.fd, line, n);
	}
	errno = saved;
}

#define DEFINE_LOG(function, lvl)                                            \
	void                                                                 \
	function(const char *fmt, ...)                                       \
	{                                                                    \
		va_list ap;                                                  \
                                                                             \
		if (self.level < (lvl))                                      \
			return;                                              \
		va_start(ap, fmt);                                           \
		put_line(lvl, levels[lvl].name, fmt, ap);                    \
		va_end(ap);                                                  \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

void
log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (self.level < level)
		return;
	va_start(ap, fmt);
	put_line(level, levels[level].name, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(LOG_LEVEL_ERROR, "fatal", fmt, ap);
	va_end(ap);
	abort();
}

void
assert_failed(const char *cond, const char *file, int line, const char *func)
{
	fatal("ASSERT(%s) failed in %s, %s:%d", cond, func, file, line);
}
