# SPDX-License-Identifier: MIT
"""Servers behind wssd: a proper one, a process that can be killed, and one
that lies.

Backend is python3-websockets in a thread.  It echoes, and does what these
texts say: `close CODE REASON`, `headers` (answers with the request), `flood N`
(that many messages of 64 KiB), `ping`, `stall` (reads no more until go()).
Its paths: /refuse/STATUS, /hang.
"""
import asyncio
import http
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest
import websockets
import websockets.exceptions
import websockets.server

from clients import accept_of
from wait import until

FLOOD = b"x" * 65536
HERE = pathlib.Path(__file__).parent


def free_port():
    """A port nobody listens on at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Backend:
    """Listens on a free port of 127.0.0.1 (or on `port`), or at the unix
    socket `path`; with the server-side ssl.SSLContext `tls` if given."""

    def __init__(self, path=None, tls=None, port=0, subprotocols=None,
                 headers=None, start=True):
        self.path, self.tls, self.port = path, tls, port
        self.subprotocols, self.headers = subprotocols, headers or {}
        self.open = []         # the WebSockets there are
        self.ended = {}        # path: (code, reason) of those that have ended
        self.requests = 0
        self.flooded = 0       # messages of a flood that were taken
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever,
                                        daemon=True)
        self._thread.start()
        self._server = None
        self._go = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(
            coroutine, self._loop).result(30)

    @property
    def url(self):
        if self.path is not None:
            return f"ws+unix:{self.path}"
        name = "wss://localhost" if self.tls else "ws://127.0.0.1"
        return f"{name}:{self.port}"

    def end_of(self, path):
        """(code, reason) with which the last one of this path ended."""
        return until(lambda: self.ended.get(path), f"the end of {path}")

    # ---- what it does ------------------------------------------------------

    async def _request(self, path, headers):
        self.requests += 1
        if path.startswith("/refuse/"):
            status = int(path.rpartition("/")[2])
            return (http.HTTPStatus(status),
                    [("Set-Cookie", "seen=1"), ("X-Why", "because")], b"no")
        if path.startswith("/hang"):
            await self._go.wait()
        return None

    async def _flood(self, ws, n):
        for _ in range(n):
            await ws.send(FLOOD)
            self.flooded += 1

    async def _obey(self, ws, message):
        word, _, rest = message.partition(" ") \
            if isinstance(message, str) else ("", "", "")
        if word == "close":
            code, _, reason = rest.partition(" ")
            await ws.close(int(code), reason)
        elif word == "headers":
            await ws.send(json.dumps([ws.path,
                                      list(ws.request_headers.raw_items())]))
        elif word == "flood":
            await self._flood(ws, int(rest))
        elif word == "ping":
            await asyncio.wait_for(await ws.ping(), 10)
            await ws.send("pong")
        elif word == "stall":
            await self._go.wait()
        else:
            await ws.send(message)

    async def _serve(self, ws):
        self.open.append(ws)
        try:
            async for message in ws:
                await self._obey(ws, message)
        except websockets.exceptions.ConnectionClosedError:
            pass
        finally:
            self.open.remove(ws)
            await ws.wait_closed()
            self.ended[ws.path] = (ws.close_code, ws.close_reason)

    # ---- its life ----------------------------------------------------------

    async def _start(self):
        self._go = asyncio.Event()
        how = dict(process_request=self._request, ssl=self.tls,
                   subprotocols=self.subprotocols, ping_interval=None,
                   max_size=None, max_queue=4, write_limit=1 << 16,
                   extra_headers=self.headers, compression="deflate",
                   close_timeout=1)
        if self.path is not None:
            self._server = await websockets.server.unix_serve(
                self._serve, str(self.path), **how)
            os.chmod(self.path, 0o666)
        else:
            self._server = await websockets.server.serve(
                self._serve, "127.0.0.1", self.port, **how)
            self.port = self._server.sockets[0].getsockname()[1]

    def start(self):
        self.run(self._start())
        return self

    def go(self):
        """Ends every /hang and every `stall`."""
        self._loop.call_soon_threadsafe(self._go.set)

    async def close_all(self):
        """A Close to each client."""
        for ws in list(self.open):
            await ws.close(1000)

    async def _drop(self):
        self._server.close()
        for ws in list(self.open):
            ws.transport.abort()
        self._go.set()
        await self._server.wait_closed()

    def kill(self):
        """As if its process died: no Close, connections are reset."""
        self.run(self._drop())

    async def _close(self):
        self._server.close()
        await self._server.wait_closed()

    def shut(self):
        """As at the end of its process in good order: Close with 1001."""
        self.run(self._close())

    async def _rest(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self):
        if self._loop.is_closed():
            return
        self.kill()
        self.run(self._rest())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


PROPER = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket",
        "Connection: Upgrade")


def key_of(asked):
    return re.search(rb"Sec-WebSocket-Key: (\S+)", asked).group(1).decode()


def answer(asked, *lines):
    """A 101; a line replaces the proper one of that name."""
    fields = dict(line.partition(": ")[::2] for line in PROPER[1:])
    fields["Sec-WebSocket-Accept"] = accept_of(key_of(asked))
    out = [PROPER[0]]
    for line in lines:
        if line.startswith("HTTP/"):
            out[0] = line
        else:
            fields.pop(line.partition(":")[0], None)
    out += [f"{n}: {v}" for n, v in fields.items()]
    out += [line for line in lines
            if not line.startswith("HTTP/") and line.partition(":")[2]]
    return "\r\n".join(out).encode() + b"\r\n\r\n"


class Liar:
    """A TCP server for each connection of which talk(socket, head) is called
    in a thread, when the head of a request is there (None: at once)."""

    def __init__(self, talk, wait_for_head=True, port=0):
        self.talk, self.wait_for_head = talk, wait_for_head
        self.heads = []
        self.sock = socket.create_server(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._closing = True
        self.sock.close()

    def _accept(self):
        while True:
            try:
                sock = self.sock.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,),
                             daemon=True).start()

    def _one(self, sock):
        head = b""
        sock.settimeout(30)
        try:
            with sock:
                while self.wait_for_head and b"\r\n\r\n" not in head:
                    data = sock.recv(65536)
                    if not data:
                        return
                    head += data
                self.heads.append(head)
                self.talk(sock, head)
                while sock.recv(65536):  # until the other side hangs up
                    pass
        except OSError:
            pass


class Node:
    """npm's ws in a process of its own: it echoes; see ws_backend.mjs."""

    def __init__(self, folder, where="0", tls=None):
        module = HERE.parent / "browser/node_modules/ws"
        if not (shutil.which("node") and module.exists()):
            assert "WSSD_NO_SKIP" not in os.environ, "node or ws is missing"
            pytest.skip("needs node, and npm --prefix tests/browser ci")
        self.folder, self.where, self.tls = folder, where, tls
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()

    def start(self):
        args = [str(self.where)] + ([self.tls.cert, self.tls.key]
                                    if self.tls else [])
        self.process = subprocess.Popen(
            ["node", HERE / "ws_backend.mjs", *args],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        said = self.process.stdout.readline().decode().split()
        assert said and said[0] == "ready", "ws_backend.mjs has not started"
        if not str(self.where).startswith("/"):
            self.where = said[1]
        return self

    @property
    def url(self):
        if str(self.where).startswith("/"):
            return f"ws+unix:{self.where}"
        return f"{'wss://localhost' if self.tls else 'ws://127.0.0.1'}" \
            f":{self.where}"

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self.process.stdout.close()


def upstream_open(daemon):
    """How many WebSockets to servers its workers have."""
    return daemon.totals()["upstream_open"]
