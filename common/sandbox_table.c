/* SPDX-License-Identifier: MIT */
/*
 * The system calls that a confined process may make, each with the reason
 * why, and those that end it.  Names are those of x86_64 and aarch64; what
 * one of them does not have is passed over there.
 *
 * Calls that libraries make before the filter is there (to load and to set
 * themselves up) do not belong here.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/count.h"
#include "common/sandbox.h"

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

#define ALL 0
#define WORKER SANDBOX_WORKER
#define SIGNER SANDBOX_SIGNER
#define FOLDERS SANDBOX_FOLDERS
#define IO_URING SANDBOX_IO_URING

#define EVERY_BIT UINT32_MAX	/* of an int */
#define IS(n, value) { { n, EVERY_BIT, (value) } }
#define LACKS(n, bits) { { n, (bits), 0 } }
#define HAS(n, bits) { { n, (bits), (bits) } }
#define KILL .verdict = SANDBOX_KILL

static const struct sandbox_row table[] = {
/* Memory.  Never executable: what an exploit writes stays data. */
{ "brk", ALL, .reason = "malloc" },
{ "mmap", ALL, .conditions = LACKS(2, PROT_EXEC),
  .reason = "malloc, config and metrics of the master" },
{ "munmap", ALL, .reason = "free" },
{ "mremap", ALL, .reason = "realloc of large blocks" },
{ "mprotect", ALL, .conditions = LACKS(2, PROT_EXEC),
  .reason = "malloc grows and trims its heap" },
{ "madvise", ALL, .reason = "memory goes back to the kernel" },

/* Time and chance. */
{ "clock_gettime", ALL, .reason = "where the vDSO has no clock" },
{ "gettimeofday", ALL, .reason = "where the vDSO has no clock" },
{ "time", ALL, .reason = "where the vDSO has no clock" },
{ "nanosleep", ALL, .reason = "short waits of libraries" },
{ "clock_nanosleep", ALL, .reason = "short waits of libraries" },
{ "getrandom", ALL, .reason = "OpenSSL's random numbers" },

/* Descriptors that are there. */
{ "read", ALL, .reason = "descriptors of the master" },
{ "write", ALL, .reason = "the log" },
{ "writev", ALL, .reason = "the log, libevent's buffers" },
{ "close", ALL, .reason = "connections, passed descriptors" },
{ "fstat", ALL, .reason = "size of a passed file" },
{ "newfstatat", ALL, .conditions = HAS(3, AT_EMPTY_PATH),
  .reason = "what fstat(3) calls" },
{ "pread64", WORKER | SIGNER, .reason = "certificates and keys" },
{ "lseek", WORKER, .reason = "stdio on passed files" },
{ "fcntl", ALL, .conditions = IS(1, F_GETFD), .reason = "close-on-exec" },
{ "fcntl", ALL, .conditions = IS(1, F_SETFD), .reason = "close-on-exec" },
{ "fcntl", ALL, .conditions = IS(1, F_GETFL), .reason = "non-blocking" },
{ "fcntl", WORKER, .conditions = IS(1, F_DUPFD_CLOEXEC),
  .reason = "the descriptor that is kept to answer EMFILE" },
{ "fcntl", WORKER, .conditions = IS(1, F_GET_SEALS),
  .reason = "whether a memfd can change" },

/* The loop. */
{ "epoll_wait", WORKER, .reason = "libevent" },
{ "epoll_pwait", WORKER, .reason = "libevent" },
{ "epoll_pwait2", WORKER, .reason = "newer libevents" },
{ "epoll_ctl", WORKER, .reason = "libevent" },
{ "poll", ALL, .reason = "libraries that wait for one descriptor" },
{ "ppoll", ALL, .reason = "libraries that wait for one descriptor" },

/* Sockets that are there, and those that listening ones give.  Never
   socket() or connect(): a connection to elsewhere comes from the master.
   Never sendmsg(): a descriptor whose closing waits would stop the master.
   No options of SOL_SOCKET and no F_SETFL: sockets and logs are also those
   of other processes, which count on how they are set. */
{ "recvmsg", ALL, .reason = "the master's messages" },
{ "recvfrom", WORKER, .reason = "bytes of clients" },
{ "sendto", WORKER | SIGNER,
  .reason = "bytes for clients, answers to the master, syslog" },
{ "readv", WORKER, .reason = "libevent's buffers" },
{ "accept4", WORKER, .reason = "clients" },
{ "shutdown", WORKER, .reason = "FIN to clients" },
{ "getsockname", WORKER, .reason = "which address a client came to" },
{ "getpeername", WORKER, .reason = "who a client is" },
{ "getsockopt", WORKER, .conditions = IS(1, SOL_SOCKET),
  .reason = "why a connection broke" },
{ "getsockopt", WORKER, .conditions = IS(1, IPPROTO_TCP),
  .reason = "state of a connection" },
{ "setsockopt", WORKER, .conditions = IS(1, IPPROTO_TCP),
  .reason = "no delay" },

/* The end, and the signals that lead to it. */
{ "exit", ALL, .reason = "the end" },
{ "exit_group", ALL, .reason = "the end" },
{ "alarm", WORKER, .reason = "the end of a worker without a master" },
{ "setitimer", WORKER, .reason = "what alarm(3) calls on aarch64" },
{ "rt_sigaction", ALL, .reason = "abort" },
{ "rt_sigprocmask", ALL, .reason = "abort" },
{ "rt_sigreturn", ALL, .reason = "the end of a signal's handler" },
{ "restart_syscall", ALL, .reason = "going on after SIGSTOP" },
{ "sigaltstack", ALL, .reason = "handlers of a stack overflow" },
{ "tgkill", ALL, .conditions = IS(0, SANDBOX_OWN_PID),
  .reason = "abort: SIGABRT to itself" },
{ "getpid", ALL, .reason = "abort, syslog" },
{ "gettid", ALL, .reason = "abort" },

/* Nothing that could hurt. */
{ "futex", ALL, .reason = "locks of OpenSSL and the C library" },
{ "sched_yield", ALL, .reason = "locks" },
{ "getuid", ALL, .reason = "libraries that ask whether they are root" },
{ "geteuid", ALL, .reason = "libraries that ask whether they are root" },
{ "getgid", ALL, .reason = "libraries that ask whether they are root" },
{ "getegid", ALL, .reason = "libraries that ask whether they are root" },
{ "uname", ALL, .reason = "libraries that ask for the kernel's version" },
{ "getrusage", ALL, .reason = "libraries that measure themselves" },
{ "sched_getaffinity", WORKER | SIGNER,
  .reason = "workers = auto, at a reload" },
{ "sysinfo", ALL, .reason = "qsort: how much memory there is" },
{ "prlimit64", ALL, .conditions = IS(2, 0),
  .reason = "libraries that ask for a limit; without setting it" },

/* Only where something asks for it. */
{ "openat2", FOLDERS, .reason = "files beneath a folder; Landlock and the "
  "empty root hold whatever RESOLVE_ flags stand there" },
{ "openat", FOLDERS, .conditions = LACKS(2, O_WRONLY | O_RDWR | O_CREAT),
  .reason = "the same before Linux 5.6" },
{ "getdents64", FOLDERS, .reason = "what is in a folder" },
{ "sendfile", FOLDERS, .reason = "a file to a client" },
{ "io_uring_enter", IO_URING, .reason = "the turn's sends and receives" },

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* A build for tests. */
{ "getrlimit", ALL, .reason = "sanitizers look for the end of the stack" },
{ "readlink", ALL, .reason = "the report of a sanitizer: program name" },
{ "readlinkat", ALL, .reason = "the report of a sanitizer: program name" },
#endif

/* Another program. */
{ "execve", ALL, KILL, .reason = "runs another program" },
{ "execveat", ALL, KILL, .reason = "runs another program" },

/* Another process. */
{ "ptrace", ALL, KILL, .reason = "takes over another process" },
{ "process_vm_readv", ALL, KILL, .reason = "reads another process" },
{ "process_vm_writev", ALL, KILL, .reason = "writes another process" },
{ "process_madvise", ALL, KILL, .reason = "another process's memory" },
{ "pidfd_getfd", ALL, KILL, .reason = "takes another's descriptors" },
{ "kcmp", ALL, KILL, .reason = "looks into other processes" },

/* Another file system or namespace. */
{ "mount", ALL, KILL, .reason = "changes the file system" },
{ "umount2", ALL, KILL, .reason = "changes the file system" },
{ "pivot_root", ALL, KILL, .reason = "leaves the empty root" },
{ "chroot", ALL, KILL, .reason = "leaves the empty root" },
{ "open_tree", ALL, KILL, .reason = "changes the file system" },
{ "move_mount", ALL, KILL, .reason = "changes the file system" },
{ "fsopen", ALL, KILL, .reason = "changes the file system" },
{ "fsconfig", ALL, KILL, .reason = "changes the file system" },
{ "fsmount", ALL, KILL, .reason = "changes the file system" },
{ "mount_setattr", ALL, KILL, .reason = "changes the file system" },
{ "open_by_handle_at", ALL, KILL, .reason = "leaves the empty root" },
{ "setns", ALL, KILL, .reason = "enters another namespace" },
{ "unshare", ALL, KILL, .reason = "a namespace where it is root" },

/* The kernel itself. */
{ "init_module", ALL, KILL, .reason = "code for the kernel" },
{ "finit_module", ALL, KILL, .reason = "code for the kernel" },
{ "delete_module", ALL, KILL, .reason = "code of the kernel" },
{ "kexec_load", ALL, KILL, .reason = "another kernel" },
{ "kexec_file_load", ALL, KILL, .reason = "another kernel" },
{ "bpf", ALL, KILL, .reason = "code for the kernel" },
{ "perf_event_open", ALL, KILL, .reason = "looks into the kernel" },
{ "userfaultfd", ALL, KILL, .reason = "a tool of exploits" },
{ "add_key", ALL, KILL, .reason = "the kernel's keys" },
{ "request_key", ALL, KILL, .reason = "the kernel's keys" },
{ "keyctl", ALL, KILL, .reason = "the kernel's keys" },
{ "iopl", ALL, KILL, .reason = "the hardware" },
{ "ioperm", ALL, KILL, .reason = "the hardware" },
{ "reboot", ALL, KILL, .reason = "the machine" },
{ "swapon", ALL, KILL, .reason = "the machine" },
{ "swapoff", ALL, KILL, .reason = "the machine" },
{ "acct", ALL, KILL, .reason = "the machine" },
{ "syslog", ALL, KILL, .reason = "the kernel's messages" },
};

const struct sandbox_row *
sandbox_table(size_t *n_out)
{
	*n_out = COUNT(table);
	return table;
}
