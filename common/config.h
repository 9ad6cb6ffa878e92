/* SPDX-License-Identifier: MIT */
/*
 * The configuration, typed and checked: what /etc/wssd.ini means.
 *
 * Made from a bundle (the texts of all files) by the same code in the
 * master, in each worker and in wssctl, so that no setting needs code of
 * its own to travel.  Immutable once made; shared by reference.
 * settings.c says which keys there are, config_check.c how they relate.
 */
#ifndef WSSD_COMMON_CONFIG_H
#define WSSD_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/addr_net.h"
#include "common/bundle.h"
#include "common/config_errors.h"
#include "common/upstream.h"

struct setting;

#define CONFIG_LISTENS_MAX 64
#define CONFIG_CONTEXTS_MAX 4096
#define CONFIG_PAIRS_MAX 4	/* certificates of one context */
#define CONFIG_ROUTES_MAX 256
#define CONFIG_WORKERS_MAX 256
#define CONFIG_UPSTREAMS_MAX 64	/* of a route */

struct config_strings {
	char **items;
	size_t n;
};

enum config_log { CONFIG_LOG_STDERR, CONFIG_LOG_SYSLOG, CONFIG_LOG_FILE };
enum config_access_format { CONFIG_ACCESS_TEXT, CONFIG_ACCESS_JSON };
enum config_transport { CONFIG_SSL, CONFIG_TCP };
enum config_real_ip { CONFIG_REAL_IP_AUTO, CONFIG_REAL_IP_X_REAL_IP,
	CONFIG_REAL_IP_X_FORWARDED_FOR, CONFIG_REAL_IP_FORWARDED };
enum config_io_uring { CONFIG_IO_URING_AUTO, CONFIG_IO_URING_OFF };
enum config_role { CONFIG_WEBSOCKET, CONFIG_ADMIN };
enum config_tls { CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum config_verify { CONFIG_VERIFY_OFF, CONFIG_VERIFY_OPTIONAL,
	CONFIG_VERIFY_REQUIRE };

/* [wssd] */
struct config_daemon {
	uint64_t workers;		/* auto already resolved */
	char *user, *group;		/* used only when root */
	char *run_dir;			/* of control.sock and wssd.pid; "auto"
					   is resolved (config_run_dir.c) */
	char *log;			/* "stderr", "syslog" or a path */
	enum config_log log_kind;	/* which of them */
	uint64_t log_level;		/* enum log_level */
	bool sandbox, key_isolation;
	char *access_log;		/* "off", "stderr", "syslog", a path */
	uint64_t access_log_format;	/* enum config_access_format */
	uint64_t stop_timeout_ms;
	uint64_t drain_window_ms;
	uint64_t worker_timeout_ms;	/* no heartbeat: killed; 0 = never */
	uint64_t io_uring;		/* enum config_io_uring */
	uint64_t ticket_rotate_ms, ticket_overlap_ms;
	char *ticket_key_file;		/* FILE; or NULL */
	bool watch_certificates;
	uint64_t max_connections;	/* over all workers; 0 = no limit */
	uint64_t max_connections_per_worker;
	uint64_t max_connections_per_address;	/* over all workers */
	uint64_t max_compression_memory_per_worker;	/* bytes */
};

/* [listen NAME] */
struct config_listen {
	struct config_place place;
	char *name;			/* "default" when not named */
	struct config_strings address;	/* as written */
	struct addr *addrs;		/* parsed, address.n of them */
	uint64_t socket_mode;		/* of its unix sockets */
	char *socket_user, *socket_group;	/* NULL: the master's */
	struct config_strings trusted_proxies;	/* as written */
	struct addr_net *trusted;	/* parsed, trusted_proxies.n of them */
	uint64_t real_ip_header;	/* enum config_real_ip */
	bool proxy_protocol;
	uint64_t role;			/* enum config_role */
	bool allow_public;		/* of role = admin */
	uint64_t transport;		/* enum config_transport; for admin
					   tcp, when not set */
	struct config_strings context;	/* names, as written; empty = all */
	size_t *contexts;		/* their indexes, n_contexts of them;
					   none for tcp */
	size_t n_contexts;
	bool strict_sni;
	uint64_t backlog;
	uint64_t handshake_timeout_ms;	/* accept to 101 */
	uint64_t max_header_size;	/* bytes of the request head */
	uint64_t max_headers;
};

/* [context NAME] */
struct config_context {
	struct config_place place;
	char *name;
	struct config_strings server_name;	/* lower case, "a.example" or
					   "*.example"; empty = those of the
					   certificates */
	struct config_strings local_cert;	/* FILES: leaf and chain, PEM */
	struct config_strings local_pk;	/* FILES: PEM; as many: without the
					   setting copies of local_cert */
	char *passphrase_file;		/* FILE, of the keys; or NULL */
	struct config_strings ocsp_staple;	/* FILES: DER */
	uint64_t tls_min, tls_max;	/* enum config_tls */
	char *ciphers;			/* TLS 1.2; OpenSSL's names */
	char *ciphersuites;		/* TLS 1.3 */
	char *groups;
	uint64_t security_level;
	bool honor_cipher_order;
	char *dh_param;			/* FILE: PEM; or NULL */
	struct config_strings alpn_protocols;
	bool session_tickets;

	/* Certificates of clients. */
	uint64_t verify_peer;		/* enum config_verify */
	char *cafile;			/* FILE: PEM; or NULL */
	char *capath;			/* FOLDER of such; or NULL */
	char *crl;			/* FILE: PEM; or NULL */
	uint64_t verify_depth;
	bool allow_self_signed;
	struct config_strings peer_fingerprint;	/* SHA-256, 64 lower-case
					   hexadecimal digits */
};

/* A key that only the handler understands, as written. */
struct config_option {
	char *name;			/* "text", or NAME of option.NAME */
	char *value;
	struct config_place place;
};

/*
 * [route PATH].  Several may have the same path, with different hosts or
 * listens: one with the Host wins over one for any, then one with the listen
 * over one for any.  Each of them may stand once more with handler = static,
 * for the requests that ask for no WebSocket.
 */
struct config_route {
	struct config_place place;
	char *path;
	struct config_strings host;	/* empty = any Host */
	struct config_strings listen;	/* names; empty = every listen */
	char *handler;			/* "reply", "echo", "static", "module" */
	char *root;			/* DIRECTORY: of static */
	bool pages;			/* handler is static */
	char *module;			/* FILE: the .so */
	struct config_option *options;
	size_t n_options;
	/* For handler = proxy: */
	struct config_strings upstream;	/* as written */
	struct upstream *upstreams;	/* parsed, upstream.n of them */
	char *upstream_cafile;		/* FILE: for wss://; the system's when
					   not set and needed */
	uint64_t balance;		/* enum proxy_balance of the handler */
	uint64_t connect_timeout_ms;	/* TCP and TLS */
	uint64_t upstream_timeout_ms;	/* from then on, for the answer */
	uint64_t on_upstream_loss;	/* enum proxy_loss of the handler */
	uint64_t reconnect_timeout_ms;

	struct config_strings origins;
	struct config_strings subprotocols;
	uint64_t max_message;			/* bytes */
	uint64_t max_frame;			/* bytes; 0 = as max_message */
	uint64_t max_fragments;			/* 0 = no limit */
	uint64_t output_high, output_low;	/* bytes queued for a client */
	uint64_t slow_consumer;			/* enum config_slow */
	uint64_t ping_interval_ms;		/* 0 = off */
	uint64_t ping_timeout_ms;		/* 0 = off, as without pings */
	uint64_t idle_timeout_ms;			/* 0 = off */
	uint64_t close_timeout_ms;	/* for the closing handshake */
	uint64_t compression;			/* enum config_compression */
	uint64_t compression_window_bits;	/* log2 of bytes */
	uint64_t compression_memory_level;	/* zlib's */
	uint64_t compression_min_size;		/* bytes of a message */
};

/* permessage-deflate: none, one compressor for all, or one for each. */
enum config_compression { CONFIG_COMPRESSION_OFF, CONFIG_COMPRESSION_SHARED,
	CONFIG_COMPRESSION_DEDICATED };

/* What happens to a message pushed to a client whose queue is full. */
enum config_slow { CONFIG_SLOW_CLOSE, CONFIG_SLOW_DROP_NEW,
	CONFIG_SLOW_PAUSE };

/* A setting that a file sets (not its default), and where. */
struct config_value {
	const struct setting *setting;
	const void *object;		/* the daemon, listen, context, route */
	struct config_place place;
};

struct config {
	unsigned refs;
	struct bundle *bundle;		/* owned; the files' texts */
	struct config_daemon daemon;
	struct config_place daemon_place;
	struct config_listen *listens;
	size_t n_listens;
	struct config_context *contexts;
	size_t n_contexts;
	struct config_route *routes;
	size_t n_routes;
	struct config_value *values;	/* in the order of the files */
	size_t n_values;
};

/*
 * The meaning of a bundle, which becomes the config's (also on failure it
 * is released).  NULL when errors->n is not 0.
 */
struct config *config_new(struct bundle *, struct config_errors *);
struct config *config_ref(struct config *);
void config_unref(struct config *);

/* Reads the file at path and what it includes. NULL: see errors. */
struct config *config_load(const char *path, struct config_errors *);

/* Where a setting of an object (a listen, say) stands, else the object. */
struct config_place config_place_of(const struct config *,
    const void *object, const char *key);

/*
 * What differs in [wssd] and is not changed by a reload, one setting a line:
 * "workers: 2 -> 4\n"; NULL when there is nothing; free() it.
 */
char *config_restart_changes(const struct config *running,
    const struct config *next);

/*
 * run_dir of a file, even when the rest of the file is wrong: wssctl must
 * find a running daemon while somebody is editing.  Never NULL; free() it.
 */
char *config_find_run_dir(const char *path);

#endif
