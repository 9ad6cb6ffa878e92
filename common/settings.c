/* SPDX-License-Identifier: MIT */
/*
 * Owns the table of settings.  A new setting is a row here, a member in
 * config.h, and a line in etc/wssd.ini.
 */
#include "common/settings.h"

#include <string.h>

#include "common/assert.h"
#include "common/config.h"
#include "common/count.h"

static const char *const log_levels[] = {	/* enum log_level */
	"error", "warn", "info", "debug", NULL };
static const char *const access_formats[] = {	/* enum
						   config_access_format */
	"text", "json", NULL };
static const char *const transports[] = {	/* enum config_transport */
	"ssl", "tcp", NULL };
static const char *const real_ip_headers[] = {	/* enum config_real_ip */
	"auto", "x-real-ip", "x-forwarded-for", "forwarded", NULL };
static const char *const roles[] = {	/* enum config_role */
	"websocket", "admin", NULL };
static const char *const tls_versions[] = {	/* enum config_tls */
	"1.2", "1.3", NULL };
static const char *const io_urings[] = {	/* enum config_io_uring */
	"auto", "off", NULL };
static const char *const verify_peers[] = {	/* enum config_verify */
	"off", "optional", "require", NULL };
static const char *const slow_consumers[] = {	/* enum config_slow */
	"close", "drop-new", "pause", NULL };
static const char *const compressions[] = {	/* enum config_compression */
	"off", "shared", "dedicated", NULL };
static const char *const balances[] = {	/* enum proxy_balance, proxy.h */
	"least-connections", "address", "header", NULL };
static const char *const losses[] = {		/* enum proxy_loss, proxy.h */
	"close", "reconnect", NULL };

#define DAY_MS UINT64_C(86400000)
#define GIB (1u << 30)

#define IN(section_, member)                                                 \
	.offset = offsetof(struct config_##section_, member)
#define DAEMON(member) .section = SETTING_WSSD, IN(daemon, member)
#define LISTEN(member) .section = SETTING_LISTEN, IN(listen, member)
#define CONTEXT(member) .section = SETTING_CONTEXT, IN(context, member)
#define ROUTE(member) .section = SETTING_ROUTE, IN(route, member)
#define NUMBER(kind, min_, max_, initial_)                                   \
	.type = SETTING_##kind, .min = (min_), .max = (max_),                \
	.initial = (initial_)
#define WORD(words_, initial_)                                               \
	.type = SETTING_WORD, .words = (words_), .initial = (initial_)

static const struct setting table[] = {
{ .section = SETTING_WSSD, .key = "include", .type = SETTING_NONE,
  .example = "/etc/wssd.d/*.ini",
  .help = "More files to read: comma-separated paths, in which * and ? may "
  "stand.  A relative path is meant relative to the folder of this file.  An "
  "included file cannot include others." },
{ .key = "workers", DAEMON(workers), .reload = SETTING_RESTART,
  NUMBER(WORKERS, 1, CONFIG_WORKERS_MAX, "auto"),
  .help = "How many worker processes serve the connections.  auto means one "
  "for each CPU." },
{ .key = "user", DAEMON(user), .type = SETTING_STRING,
  .reload = SETTING_RESTART, .initial = "wssd",
  .help = "The user the workers run as when wssd is started by root." },
{ .key = "group", DAEMON(group), .type = SETTING_STRING,
  .reload = SETTING_RESTART, .initial = "wssd",
  .help = "The group the workers run as when wssd is started by root." },
{ .key = "sandbox", DAEMON(sandbox), .type = SETTING_BOOL,
  .reload = SETTING_ROLL, .initial = "on",
  .help = "Whether the kernel refuses the workers what they have no use for: "
  "files, other programs and processes, connections to elsewhere, and most "
  "system calls.  A module that needs such things needs off." },
{ .key = "key_isolation", DAEMON(key_isolation), .type = SETTING_BOOL,
  .reload = SETTING_ROLL, .initial = "on",
  .help = "Whether the private keys are in a process of their own, "
  "wssd-signer, which signs for the workers; they never have a key.  off "
  "saves that process and some time in each TLS handshake." },
{ .key = "run_dir", DAEMON(run_dir), .type = SETTING_STRING,
  .reload = SETTING_RESTART, .initial = "auto",
  .help = "The folder of the control socket and the pid file.  auto means "
  "$RUNTIME_DIRECTORY when systemd has set it, /run/wssd for root, else wssd "
  "in $XDG_RUNTIME_DIR, or /tmp/wssd-UID." },
{ .key = "log", DAEMON(log), .type = SETTING_STRING, .initial = "stderr",
  .help = "Where log lines go: stderr, syslog, or the path of a file." },
{ .key = "log_level", DAEMON(log_level), WORD(log_levels, "info"),
  .help = "The least important lines that are logged." },
{ .key = "access_log", DAEMON(access_log), .type = SETTING_STRING,
  .initial = "off",
  .help = "Where a line goes for each WebSocket that opens or ends, and for "
  "each request that is refused: off, stderr, syslog, or the path of a file." },
{ .key = "access_log_format", DAEMON(access_log_format),
  WORD(access_formats, "text"),
  .help = "text, or json: an object a line." },
{ .key = "stop_timeout", DAEMON(stop_timeout_ms),
  NUMBER(DURATION, 0, DAY_MS, "10s"),
  .help = "How long a stop waits for clients to answer the closing "
  "handshake." },
{ .key = "drain_window", DAEMON(drain_window_ms),
  NUMBER(DURATION, 0, DAY_MS, "60s"),
  .help = "When a worker is replaced, its connections are closed one by one "
  "over this time, so that clients do not all come back at once." },
{ .key = "worker_timeout", DAEMON(worker_timeout_ms),
  NUMBER(DURATION, 0, DAY_MS, "10s"),
  .help = "A worker that does not answer for so long is killed and "
  "replaced.  0 is never." },
{ .key = "io_uring", DAEMON(io_uring), WORD(io_urings, "auto"),
  .reload = SETTING_ROLL,
  .help = "auto receives and sends for many connections with one system "
  "call, where the kernel lets it.  off makes a call for each.  "
  "`wssctl status --json' says which way a worker goes." },
{ .key = "ticket_rotate", DAEMON(ticket_rotate_ms),
  NUMBER(DURATION, 1000, 7u * DAY_MS, "12h"),
  .help = "How long a key for session tickets is used.  Clients that come "
  "back with a ticket need no full TLS handshake." },
{ .key = "ticket_overlap", DAEMON(ticket_overlap_ms),
  NUMBER(DURATION, 1000, 7u * DAY_MS, "12h"),
  .help = "How long a ticket is good, also one that was given with a key "
  "which is no longer used.  At most 12 times ticket_rotate." },
{ .key = "ticket_key_file", DAEMON(ticket_key_file), .type = SETTING_STRING,
  .flags = SETTING_FILE | SETTING_MASTER,
  .example = "/etc/wssd/tickets.key",
  .help = "Keys for session tickets that several machines share: 80 random "
  "bytes for each key, the first for new tickets.  Nothing is rotated then: "
  "whoever writes the file does that.  Not set: wssd makes them." },
{ .key = "watch_certificates", DAEMON(watch_certificates),
  .type = SETTING_BOOL, .initial = "on",
  .help = "Notices when a file that a context names has been replaced, and "
  "reads the files again, as a reload does, but not the configuration." },
{ .key = "max_connections", DAEMON(max_connections),
  NUMBER(UINT, 0, GIB, "0"),
  .help = "The most connections of all workers together.  0 is no limit." },
{ .key = "max_connections_per_worker", DAEMON(max_connections_per_worker),
  NUMBER(UINT, 1, GIB, "20000"),
  .help = "The most connections of one worker." },
{ .key = "max_connections_per_address", DAEMON(max_connections_per_address),
  NUMBER(UINT, 0, 65535, "0"),
  .help = "The most connections from one IP address.  0 is no limit." },
{ .key = "max_compression_memory_per_worker",
  DAEMON(max_compression_memory_per_worker), NUMBER(SIZE, 0, 64ull * GIB,
  "128m"),
  .help = "The most memory of one worker for compression = dedicated.  When "
  "it is used up, new connections are served as with compression = shared." },

{ .key = "address", LISTEN(address), .type = SETTING_LIST,
  .flags = SETTING_REQUIRED, .example = "0.0.0.0:8282",
  .help = "Where to listen: IP:PORT, or several with commas between.  "
  "0.0.0.0 is every IPv4 address, [::] every IPv6 address of this machine.  "
  "unix:/PATH is a unix socket, for a proxy on the same machine." },
{ .key = "socket_mode", LISTEN(socket_mode),
  NUMBER(MODE, 0, 0777, "0660"),
  .help = "The permissions of a unix socket.  Whoever may write to it may "
  "connect." },
{ .key = "socket_user", LISTEN(socket_user), .type = SETTING_STRING,
  .example = "root",
  .help = "The user a unix socket belongs to.  Not set: the one that wssd "
  "was started by." },
{ .key = "socket_group", LISTEN(socket_group), .type = SETTING_STRING,
  .example = "www-data",
  .help = "The group a unix socket belongs to, such as that of nginx.  Not "
  "set: the one that wssd was started with." },
{ .key = "role", LISTEN(role), WORD(roles, "websocket"),
  .help = "websocket serves clients by the routes.  admin serves /metrics "
  "(for Prometheus), /livez and /readyz, and no route." },
{ .key = "allow_public", LISTEN(allow_public), .type = SETTING_BOOL,
  .initial = "off",
  .help = "With role = admin: the address may be one that other machines can "
  "reach." },
{ .key = "transport", LISTEN(transport), WORD(transports, "ssl"),
  .help = "ssl serves wss://.  tcp serves ws:// without encryption, for use "
  "behind nginx or Apache.  With role = admin, tcp is the default." },
{ .key = "trusted_proxies", LISTEN(trusted_proxies), .type = SETTING_LIST,
  .example = "127.0.0.1, ::1, unix:",
  .help = "The proxies that may say who the client is: their addresses, or "
  "networks such as 10.0.0.0/8; unix: is whoever comes over a unix socket.  "
  "What they say in X-Real-IP, X-Forwarded-For, Forwarded and "
  "X-Forwarded-Proto is believed, and nobody else." },
{ .key = "real_ip_header", LISTEN(real_ip_header),
  WORD(real_ip_headers, "auto"),
  .help = "Which header of a trusted proxy has the client's address.  auto "
  "takes the ones that are there, and refuses a request in which they name "
  "different clients." },
{ .key = "proxy_protocol", LISTEN(proxy_protocol), .type = SETTING_BOOL,
  .initial = "off",
  .help = "With on, every connection has to begin with the header of the "
  "PROXY protocol, version 1 or 2, before TLS.  It is believed from "
  "trusted_proxies." },
{ .key = "context", LISTEN(context), .type = SETTING_LIST,
  .example = "default",
  .help = "The name of the context (certificate) to use, or several: the one "
  "whose server_name the client asks for is used, else the first.  Not set: "
  "all contexts, in the order of the file." },
{ .key = "strict_sni", LISTEN(strict_sni), .type = SETTING_BOOL,
  .initial = "off",
  .help = "Refuses clients that ask for a name which no context has, or for "
  "none, with the alert unrecognized_name.  off: they get the first "
  "context." },
{ .key = "backlog", LISTEN(backlog), NUMBER(UINT, 1, 65535, "1024"),
  .help = "How many connections may wait to be accepted." },
{ .key = "handshake_timeout", LISTEN(handshake_timeout_ms),
  NUMBER(DURATION, 1, DAY_MS, "10s"),
  .help = "The time a client has for the TLS handshake and the request." },
{ .key = "max_header_size", LISTEN(max_header_size),
  NUMBER(SIZE, 256, 65536, "8k"),
  .help = "The most bytes of the request with all its headers." },
{ .key = "max_headers", LISTEN(max_headers), NUMBER(UINT, 1, 128, "100"),
  .help = "The most headers of a request." },

{ .key = "server_name", CONTEXT(server_name), .type = SETTING_LIST,
  .example = "example.org, *.example.org",
  .help = "The names for which clients get this context (SNI).  A * stands "
  "for the first label and nothing else.  Not set: the names in the "
  "certificate." },
{ .key = "local_cert", CONTEXT(local_cert), .type = SETTING_LIST,
  .flags = SETTING_REQUIRED | SETTING_FILE,
  .example = "/etc/wssd/server.pem",
  .help = "The certificate in PEM form, with the chain that leads to its "
  "CA behind it.  Two files with a comma between, one with an ECDSA and one "
  "with an RSA certificate: each client gets the one it understands." },
{ .key = "local_pk", CONTEXT(local_pk), .type = SETTING_LIST,
  .flags = SETTING_FILE | SETTING_SECRET, .example = "/etc/wssd/server.key",
  .help = "The certificate's private key in PEM form, or as many as there "
  "are certificates, in the same order.  When it is not set, the key stands "
  "in the file of local_cert." },
{ .key = "passphrase_file", CONTEXT(passphrase_file), .type = SETTING_STRING,
  .flags = SETTING_FILE | SETTING_SECRET, .example = "/etc/wssd/passphrase",
  .help = "A file whose first line is the passphrase of the private key." },
{ .key = "ocsp_staple", CONTEXT(ocsp_staple), .type = SETTING_LIST,
  .flags = SETTING_FILE, .example = "/etc/wssd/server.ocsp",
  .help = "What the CA's OCSP service has answered about the certificate, in "
  "DER form; clients that ask get it as long as it is in date." },
{ .key = "tls_min", CONTEXT(tls_min), WORD(tls_versions, "1.2"),
  .help = "The oldest version of TLS that is spoken." },
{ .key = "tls_max", CONTEXT(tls_max), WORD(tls_versions, "1.3"),
  .help = "The newest version of TLS that is spoken." },
{ .key = "ciphers", CONTEXT(ciphers), .type = SETTING_STRING,
  .initial = "ECDHE+AESGCM:ECDHE+CHACHA20",
  .help = "The ciphers for TLS 1.2, as openssl-ciphers(1) writes them.  "
  "Those without encryption or authentication are never used." },
{ .key = "ciphersuites", CONTEXT(ciphersuites), .type = SETTING_STRING,
  .initial = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
  "TLS_CHACHA20_POLY1305_SHA256",
  .help = "The cipher suites for TLS 1.3." },
{ .key = "honor_cipher_order", CONTEXT(honor_cipher_order),
  .type = SETTING_BOOL, .initial = "on",
  .help = "Whether the order of ciphers and ciphersuites counts, or the "
  "client's." },
{ .key = "groups", CONTEXT(groups), .type = SETTING_STRING,
  .initial = "X25519:P-256:P-384",
  .help = "The groups (curves) for the key exchange." },
{ .key = "dh_param", CONTEXT(dh_param), .type = SETTING_STRING,
  .flags = SETTING_FILE, .example = "/etc/wssd/dh.pem",
  .help = "Parameters in PEM form for the DHE ciphers of TLS 1.2, which are "
  "not among the default ciphers.  Not set: DHE is not used." },
{ .key = "security_level", CONTEXT(security_level),
  NUMBER(UINT, 1, 5, "2"),
  .help = "How strong keys, signatures and ciphers must be, as in "
  "SSL_CTX_set_security_level(3).  2 needs RSA keys of 2048 bits, 1 takes "
  "those of 1024." },
{ .key = "alpn_protocols", CONTEXT(alpn_protocols), .type = SETTING_LIST,
  .initial = "http/1.1",
  .help = "The protocols that are agreed to with clients that ask by ALPN, "
  "the most wanted first.  All of them mean WebSockets over HTTP/1.1." },
{ .key = "session_tickets", CONTEXT(session_tickets), .type = SETTING_BOOL,
  .initial = "on",
  .help = "Lets clients that come back skip most of the TLS handshake." },
{ .key = "verify_peer", CONTEXT(verify_peer), WORD(verify_peers, "off"),
  .flags = SETTING_SWITCH,
  .help = "Whether clients are asked for a certificate: off does not ask; "
  "with optional they may have none, but one that they have must be valid; "
  "with require they must have one." },
{ .key = "cafile", CONTEXT(cafile), .type = SETTING_STRING,
  .flags = SETTING_FILE, .example = "/etc/wssd/clients-ca.pem",
  .help = "The CAs, in PEM form, that certificates of clients must come "
  "from." },
{ .key = "capath", CONTEXT(capath), .type = SETTING_STRING,
  .flags = SETTING_FOLDER, .example = "/etc/wssd/clients-ca",
  .help = "A folder of such files, at most 512.  It need not be hashed." },
{ .key = "verify_depth", CONTEXT(verify_depth), NUMBER(UINT, 0, 100, "9"),
  .help = "The most certificates between the client's and the root CA's." },
{ .key = "crl", CONTEXT(crl), .type = SETTING_STRING,
  .flags = SETTING_FILE, .example = "/etc/wssd/clients.crl",
  .help = "Revocation lists in PEM form.  There must be one in date for each "
  "CA, or its clients are refused." },
{ .key = "allow_self_signed", CONTEXT(allow_self_signed),
  .type = SETTING_BOOL, .initial = "off",
  .help = "Takes certificates that clients have signed themselves, which "
  "anybody can make: meant for use with peer_fingerprint." },
{ .key = "peer_fingerprint", CONTEXT(peer_fingerprint), .type = SETTING_LIST,
  .example = "0123456789abcdef...",
  .help = "Only clients whose certificate has one of these SHA-256 "
  "fingerprints." },

{ .key = "host", ROUTE(host), .type = SETTING_LIST,
  .example = "example.org",
  .help = "Only for requests with this Host (without the port), or one of "
  "these.  Not set: any." },
{ .key = "listen", ROUTE(listen), .type = SETTING_LIST,
  .example = "default",
  .help = "Only for connections of this [listen], or one of these.  Not "
  "set: any." },
{ .key = "handler", ROUTE(handler), .type = SETTING_STRING,
  .flags = SETTING_REQUIRED, .example = "reply",
  .help = "What answers the messages: reply sends the same text each time, "
  "echo sends back what came, proxy passes them to another server, module is "
  "a shared object of your own.  static has no WebSocket but the files of a "
  "folder, for a page to begin with; it may stand beside another route with "
  "the same path." },
{ .section = SETTING_ROUTE, .key = "text", .type = SETTING_NONE,
  .flags = SETTING_OPTION | SETTING_REQUIRED, .handler = "reply",
  .example = "ok", .help = "The text that handler = reply sends." },
{ .key = "root", ROUTE(root), .type = SETTING_STRING,
  .reload = SETTING_ROLL,
  .flags = SETTING_OPTION | SETTING_REQUIRED | SETTING_FILE |
  SETTING_DIRECTORY, .handler = "static", .example = "/var/www/html",
  .help = "The folder whose files handler = static shows.  Files of more than "
  "1 MiB, and names that begin with a dot, are not shown; .well-known is." },
{ .key = "module", ROUTE(module), .type = SETTING_STRING,
  .flags = SETTING_OPTION | SETTING_REQUIRED | SETTING_FILE | SETTING_CODE,
  .reload = SETTING_ROLL, .handler = "module",
  .example = "/usr/lib/wssd/chat.so",
  .help = "The shared object for handler = module." },
{ .section = SETTING_ROUTE, .key = "option.NAME", .type = SETTING_NONE,
  .flags = SETTING_OPTION, .handler = "module", .example = "value",
  .help = "An option for the module, which knows what NAME means." },
{ .key = "upstream", ROUTE(upstream), .type = SETTING_LIST,
  .flags = SETTING_OPTION | SETTING_REQUIRED, .handler = "proxy",
  .example = "ws://127.0.0.1:8282",
  .help = "The server, or servers, that handler = proxy passes everything to: "
  "ws://HOST:PORT, wss://HOST or ws+unix:/run/app.sock.  A path in it stands "
  "in the place of the route's; behind a socket it follows a colon.  Names "
  "are looked up when the file is loaded." },
{ .key = "balance", ROUTE(balance), WORD(balances, "least-connections"),
  .flags = SETTING_OPTION, .handler = "proxy",
  .help = "Which of several upstreams gets a client: the one with the fewest "
  "connections, or always the same for an address of a client, or for a value "
  "of the header in balance_header." },
{ .section = SETTING_ROUTE, .key = "balance_header", .type = SETTING_NONE,
  .flags = SETTING_OPTION, .handler = "proxy", .example = "X-User",
  .help = "The header for balance = header.  A client without it counts by "
  "its address." },
{ .section = SETTING_ROUTE, .key = "upstream_host", .type = SETTING_NONE,
  .flags = SETTING_OPTION, .handler = "proxy", .example = "client",
  .help = "The Host header that an upstream sees: client passes on the "
  "client's (as when it is not set), upstream takes the host of the URL, "
  "anything else is sent as it stands." },
{ .key = "upstream_cafile", ROUTE(upstream_cafile), .type = SETTING_STRING,
  .flags = SETTING_OPTION | SETTING_FILE, .handler = "proxy",
  .example = "/etc/ssl/certs/ca-certificates.crt",
  .help = "The CAs, in PEM form, that may have signed the certificate of a "
  "wss:// upstream.  When it is not set, those of the system." },
{ .key = "connect_timeout", ROUTE(connect_timeout_ms),
  NUMBER(DURATION, 1, DAY_MS, "2s"),
  .flags = SETTING_OPTION, .handler = "proxy",
  .help = "How long connecting to an upstream may take, TLS included, before "
  "the next one is tried." },
{ .key = "upstream_timeout", ROUTE(upstream_timeout_ms),
  NUMBER(DURATION, 1, DAY_MS, "5s"),
  .flags = SETTING_OPTION, .handler = "proxy",
  .help = "How long an upstream may take to answer the handshake; then the "
  "client gets 504.  Altogether a client waits no longer than the listen's "
  "handshake_timeout." },
{ .key = "on_upstream_loss", ROUTE(on_upstream_loss), WORD(losses, "close"),
  .flags = SETTING_OPTION, .handler = "proxy",
  .help = "What happens when an upstream goes away: close ends the client's "
  "connection with 1012, reconnect keeps it and connects to an upstream again "
  "with the same request." },
{ .key = "reconnect_timeout", ROUTE(reconnect_timeout_ms),
  NUMBER(DURATION, 1, DAY_MS, "30s"),
  .flags = SETTING_OPTION, .handler = "proxy",
  .help = "How long on_upstream_loss = reconnect tries before it closes." },
{ .key = "origins", ROUTE(origins), .type = SETTING_LIST,
  .example = "https://example.org",
  .help = "The websites whose pages may connect, as browsers write them in "
  "the Origin header.  Not set: all." },
{ .key = "subprotocols", ROUTE(subprotocols), .type = SETTING_LIST,
  .example = "chat.v2, chat.v1",
  .help = "The subprotocols that are agreed to, the most wanted first." },
{ .key = "max_message", ROUTE(max_message), NUMBER(SIZE, 1, GIB, "64k"),
  .help = "The most bytes of a message; a longer one closes the connection "
  "with 1009." },
{ .key = "max_frame", ROUTE(max_frame), NUMBER(SIZE, 0, GIB, "0"),
  .help = "The most bytes of a frame.  0 is as max_message." },
{ .key = "max_fragments", ROUTE(max_fragments), NUMBER(UINT, 0, GIB, "0"),
  .help = "The most frames of a message.  0 is no limit." },
{ .key = "output_high", ROUTE(output_high), NUMBER(SIZE, 1, GIB, "1m"),
  .help = "When so many bytes wait for a client that does not read, it is a "
  "slow consumer." },
{ .key = "output_low", ROUTE(output_low), NUMBER(SIZE, 0, GIB, "256k"),
  .help = "It is one until no more than so many bytes wait.  When only "
  "output_high is set, this is a quarter of it if it would be more." },
{ .key = "slow_consumer", ROUTE(slow_consumer),
  WORD(slow_consumers, "close"),
  .help = "What happens to a slow consumer: close ends the connection, "
  "drop-new drops messages pushed to it, pause stops reading from it." },
{ .key = "ping_interval", ROUTE(ping_interval_ms),
  NUMBER(DURATION, 0, DAY_MS, "30s"),
  .help = "A client that was silent for so long is sent a ping; up to an "
  "eighth earlier, so that not all are at once.  0 is never." },
{ .key = "ping_timeout", ROUTE(ping_timeout_ms),
  NUMBER(DURATION, 0, DAY_MS, "10s"),
  .help = "A client that does not answer a ping for so long is gone.  0 is "
  "never." },
{ .key = "idle_timeout", ROUTE(idle_timeout_ms),
  NUMBER(DURATION, 0, 365ull * DAY_MS, "0"),
  .help = "A connection without a message, in or out, for so long is closed.  "
  "0 is never." },
{ .key = "close_timeout", ROUTE(close_timeout_ms),
  NUMBER(DURATION, 1, DAY_MS, "5s"),
  .help = "The time a client has to answer a Close frame." },
{ .key = "compression", ROUTE(compression), WORD(compressions, "off"),
  .help = "Whether messages are compressed (permessage-deflate) for clients "
  "that offer it.  shared compresses each message by itself and costs no "
  "memory for a connection.  dedicated lets a message refer to those before "
  "it, which makes small ones that resemble each other much smaller, and "
  "keeps a compressor and a decompressor for each connection." },
{ .key = "compression_window_bits", ROUTE(compression_window_bits),
  NUMBER(UINT, 9, 15, "12"),
  .help = "How far back a message may refer: 12 is 4 KiB (2 to the power of "
  "12), 15 is 32 KiB.  With dedicated, the compressor of a connection takes "
  "four times as much memory, and the decompressor once as much, or 32 KiB "
  "for a client that does not let its window be limited." },
{ .key = "compression_memory_level", ROUTE(compression_memory_level),
  NUMBER(UINT, 1, 9, "5"),
  .help = "How much memory the compressor takes beside its window, and by "
  "this how well and fast it works: 1 is 1 KiB, each step doubles it." },
{ .key = "compression_min_size", ROUTE(compression_min_size),
  NUMBER(SIZE, 0, GIB, "256"),
  .help = "Messages of fewer bytes are sent as they are." },
};

static const char *const section_names[SETTING_SECTIONS] = {
	[SETTING_WSSD] = "wssd", [SETTING_LISTEN] = "listen",
	[SETTING_CONTEXT] = "context", [SETTING_ROUTE] = "route",
};

const char *
setting_section_name(enum setting_section section)
{
	ASSERT(section < SETTING_SECTIONS);
	return section_names[section];
}

enum setting_section
setting_section_find(const char *kind)
{
	size_t i = 0;

	while (i < SETTING_SECTIONS && strcmp(section_names[i], kind) != 0)
		i++;
	return (enum setting_section)i;
}

const struct setting *
settings_table(size_t *n_out)
{
	*n_out = COUNT(table);
	return table;
}

const struct setting *
settings_find(enum setting_section section, const char *key)
{
	if (strncmp(key, "option.", 7) == 0 && key[7] != '\0')
		key = "option.NAME";
	for (size_t i = 0; i < COUNT(table); i++) {
		if (table[i].section == section &&
		    strcmp(table[i].key, key) == 0)
			return &table[i];
	}
	return NULL;
}
