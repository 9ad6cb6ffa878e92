# SPDX-License-Identifier: MIT
"""Who may include what: the arrows between the folders hold."""

import re

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.MULTILINE)

TLS = ("openssl/", "event2/bufferevent_ssl.h")
HTTP = ("llhttp",)
EVENT = ("event.h", "event2/", "evhttp.h", "evutil.h")
OTHERS = ("jansson.h", "ini_config", "hiredis/", "zlib.h")

# (which files, what they may not include)
FORBIDDEN = [
    (("common/",), ("master/", "worker/", "tests/", "jansson.h", "zlib.h")
     + TLS + HTTP + EVENT),
    (("master/",), ("worker/", "tests/", "wssd/", "zlib.h") + TLS + HTTP),
    (("worker/",), ("master/", "tests/", "jansson.h")),
]

# Bytes in, events out: no socket, no log, no loop, no file.
PURE = {
    "common": ("buf", "bundle"),
    "master": ("request",),
    "worker": ("utf8", "ws_frame", "ws", "ws_close", "ws_deflate", "http",
               "http_fields", "http_refusal", "http_response", "handshake",
               "extensions", "proxyproto", "realip", "prometheus"),
}
IMPURE = EVENT + ("sys/socket.h", "sys/epoll.h", "netinet/", "arpa/",
                  "netdb.h", "unistd.h", "fcntl.h", "poll.h", "time.h",
                  "syslog.h", "common/log.h", "common/sock.h",
                  "common/chan.h", "common/files.h", "worker/accept.h",
                  "worker/api.h", "worker/conn.h", "worker/link.h",
                  "worker/stream.h", "worker/transport.h", "worker/worker.h",
                  "master/control.h", "master/master.h")


def includes(path):
    return [(quote, name) for quote, name in INCLUDE.findall(tree.text(path))]


def wrong(path, forbidden):
    return [f"{path} includes {name}" for _, name in includes(path)
            if name.startswith(forbidden)]


def test_folders():
    found = []
    for folders, forbidden in FORBIDDEN:
        for folder in folders:
            for path in tree.files(".c", ".h", under=folder):
                found += wrong(path, forbidden)
    assert not found, "\n".join(found)


def test_tool():
    """What wssctl runs has nothing of the worker's."""
    found = []
    for path in tree.files(".c", ".h", under="worker/tool"):
        found += [f"{path} includes {name}" for _, name in includes(path)
                  if name.startswith("worker/")
                  and not name.startswith("worker/tool/")]
        found += wrong(path, HTTP + EVENT)
    assert not found, "\n".join(found)


def test_handlers():
    """A built-in handler sees what a module sees."""
    found = []
    for path in tree.files(".c", ".h", under="worker/handler"):
        for quote, name in includes(path):
            own = quote == '"' and "/" not in name
            public = quote == "<" and name == "wssd/handler.h"
            system = quote == "<" and not name.startswith(
                TLS + HTTP + EVENT + OTHERS + ("wssd/",))
            if not (own or public or system):
                found.append(f"{path} includes {name}")
    assert not found, "\n".join(found)


def test_public_header():
    """It stands alone: nothing but the C library."""
    names = includes("worker/include/wssd/handler.h")
    assert names == [("<", "stddef.h"), ("<", "stdint.h")]


def test_pure():
    found = []
    for folder, names in PURE.items():
        for path in tree.files(".c", ".h", under=folder):
            if path.stem in names and path.parent.name == folder:
                found += wrong(path, IMPURE)
    assert not found, "\n".join(found)


def test_from_the_root():
    """"common/log.h", not "log.h" or "../common/log.h"."""
    found = []
    for folder in ("common", "master", "worker"):
        for path in tree.files(".c", ".h", under=folder):
            if path.parts[:2] == ("worker", "handler"):
                continue
            found += [f"{path} includes {name}"
                      for quote, name in includes(path) if quote == '"' and
                      not name.startswith(("common/", "master/", "worker/"))]
    assert not found, "\n".join(found)
