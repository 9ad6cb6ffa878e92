# SPDX-License-Identifier: MIT
"""WebSocket clients that can do what no proper one would.

Client: one connection, every byte by hand, over TCP or TLS.  TLS runs over
memory, so that single bytes of ciphertext can be sent, one direction can be
shut, and close_notify, FIN and reset can be told apart.
"""
import base64
import dataclasses
import hashlib
import os
import socket
import ssl
import struct
import time

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


# ---- frames -------------------------------------------------------------

def mask_bytes(data, mask):
    if not data:
        return b""
    n = len(data)
    pad = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "big") ^
            int.from_bytes(pad, "big")).to_bytes(n, "big")


def head(opcode, length, fin=True, rsv=0, masked=True, form=None):
    """A frame's header without its mask.  form: 7, 16 or 64 bits of length,
    else the shortest."""
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if form == 7:
        return first + bytes([bit | length])
    if form == 16:
        return first + struct.pack("!BH", bit | 126, length)
    return first + struct.pack("!BQ", bit | 127, length)


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d",
          form=None):
    """A whole frame; mask None: without one."""
    if isinstance(payload, str):
        payload = payload.encode()
    out = head(opcode, len(payload), fin, rsv, mask is not None, form)
    if mask is None:
        return out + payload
    return out + mask + mask_bytes(payload, mask)


def close_payload(code, reason=""):
    if isinstance(reason, str):
        reason = reason.encode()
    return struct.pack("!H", code) + reason


@dataclasses.dataclass
class Frame:
    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self):
        """Of a Close; 1005 when it has none."""
        if len(self.payload) < 2:
            return 1005
        return struct.unpack("!H", self.payload[:2])[0]

    @property
    def reason(self):
        return self.payload[2:].decode()


def parse_frame(data):
    """(Frame, bytes used) at the front of data, or None."""
    if len(data) < 2:
        return None
    length, at = data[1] & 0x7f, 2
    assert not data[1] & 0x80, "a server does not mask"
    if length >= 126:
        size = 2 if length == 126 else 8
        if len(data) < 2 + size:
            return None
        at += size
        length = int.from_bytes(data[2:at], "big")
        assert length >= (126 if size == 2 else 65536), "not minimal"
    if len(data) < at + length:
        return None
    return Frame(data[0] & 15, bytes(data[at:at + length]),
                 bool(data[0] & 0x80), data[0] >> 4 & 7), at + length


# ---- the opening handshake ----------------------------------------------

def request(path="/", host="localhost", key=KEY, version="13", extra=(),
            method="GET", protocol="HTTP/1.1", drop=(), upgrade="websocket",
            connection="Upgrade"):
    """The bytes of an upgrade request.  None leaves a field out; extra are
    (name, value) pairs or whole lines."""
    fields = [("Host", host), ("Upgrade", upgrade),
              ("Connection", connection), ("Sec-WebSocket-Key", key),
              ("Sec-WebSocket-Version", version)]
    lines = [f"{method} {path} {protocol}"]
    lines += [f"{n}: {v}" for n, v in fields
              if v is not None and n not in drop]
    lines += [e if isinstance(e, str) else f"{e[0]}: {e[1]}" for e in extra]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def accept_of(key):
    return base64.b64encode(
        hashlib.sha1(key.encode() + GUID).digest()).decode()


@dataclasses.dataclass
class Answer:
    status: int
    reason: str
    headers: dict
    body: str = ""


class Client:
    """tls: an ssl.SSLContext, or None for plain TCP.  port may also be the
    path of a unix socket.  preface: bytes sent before all others.  source:
    the address to connect from.  session: to resume."""

    def __init__(self, port, tls=None, host="127.0.0.1", name="localhost",
                 timeout=10.0, receive_buffer=None, connect=True,
                 preface=b"", source=None, session=None):
        self.timeout = timeout
        self.end = None          # "close_notify", "fin" or "reset"
        self.data = bytearray()  # decrypted, not yet taken
        unix = not isinstance(port, int)
        family = socket.AF_UNIX if unix else \
            socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if not unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                 receive_buffer)
        if source is not None:
            self.sock.bind((source, 0))
        self.sock.settimeout(timeout)
        self.tls = self._in = self._out = None
        if tls is not None:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = tls.wrap_bio(self._in, self._out,
                                    server_hostname=name, session=session)
        if connect:
            try:
                self.sock.connect(str(port) if unix else (host, port))
                self.send_raw(preface)
                self.handshake()
            except BaseException:
                self.sock.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.drop()

    # ---- the layers below ------------------------------------------------

    def handshake(self):
        """The TLS handshake, if there is TLS."""
        if self.tls is None:
            return
        end = time.monotonic() + self.timeout
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._pump(end)

    def _flush(self):
        data = self._out.read()
        if data:
            self.sock.settimeout(self.timeout)
            self.sock.sendall(data)

    def _pump(self, end):
        """One recv() into the TLS layer, or into data."""
        self.sock.settimeout(max(end - time.monotonic(), 0.001))
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionResetError:
            self.end = "reset"
            if self.tls is not None:
                self._in.write_eof()
            return
        if not data:
            self.end = self.end or "fin"
            if self.tls is not None:
                self._in.write_eof()
        elif self.tls is not None:
            self._in.write(data)
        else:
            self.data += data

    def encrypt(self, data):
        """The ciphertext of data, which was not sent."""
        self.tls.write(data)
        return self._out.read()

    def send_raw(self, data):
        """Bytes straight into TCP."""
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data)

    def send(self, data):
        if self.tls is None:
            self.send_raw(data)
            return
        view = memoryview(data)
        for at in range(0, len(view), 1 << 20):
            self.tls.write(view[at:at + (1 << 20)])
            self._flush()

    def send_bytewise(self, data):
        """A write, a TLS record and a segment for each byte."""
        for i in range(len(data)):
            self.send(data[i:i + 1])

    def recv(self, timeout=None):
        """Waits for bytes and appends them to data: True; False: the end,
        see `end`."""
        end = time.monotonic() + (self.timeout if timeout is None else
                                  timeout)
        while True:
            if self.tls is not None:
                try:
                    got = self.tls.read(1 << 18)
                    if not got:
                        self.end = "close_notify"
                        return False
                    self.data += got
                    return True
                except ssl.SSLWantReadError:
                    self._flush()
                except ssl.SSLZeroReturnError:
                    self.end = "close_notify"
                    return False
                except (ssl.SSLEOFError, ssl.SSLError) as error:
                    if self.end is None:
                        raise error
                    return False
            elif self.end is not None:
                return False
            had = len(self.data)
            self._pump(end)
            if self.tls is None and len(self.data) > had:
                return True

    # ---- HTTP -------------------------------------------------------------

    def read_answer(self):
        """The whole answer to a request; a body only where one is said."""
        while b"\r\n\r\n" not in self.data:
            assert self.recv(), \
                f"{self.end} before the answer: {bytes(self.data)!r}"
        text, _, rest = bytes(self.data).partition(b"\r\n\r\n")
        first, *lines = text.decode("latin-1").split("\r\n")
        protocol, status, reason = first.split(" ", 2)
        assert protocol == "HTTP/1.1"
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "connection" and name in headers:  # a list field
                value = f"{headers.pop(name)}, {value}"
            assert name not in headers, f"{name} twice"
            headers[name] = value
        self.data = bytearray(rest)
        length = int(headers.get("content-length", 0))
        while len(self.data) < length:
            assert self.recv(), f"{self.end} inside the body"
        body = self.data[:length].decode()
        del self.data[:length]
        return Answer(int(status), reason, headers, body)

    def ask(self, data):
        """Sends bytes, returns the answer."""
        self.send(data)
        return self.read_answer()

    def upgrade(self, path="/", **fields):
        """From connected to open.  Returns the answer, which is right."""
        answer = self.ask(request(path, **fields))
        assert answer.status == 101, answer
        assert answer.headers["upgrade"].lower() == "websocket"
        assert answer.headers["connection"].lower() == "upgrade"
        assert answer.headers["sec-websocket-accept"] == \
            accept_of(fields.get("key", KEY))
        assert "sec-websocket-extensions" not in answer.headers or any(
            "extensions" in str(e).lower() for e in fields.get("extra", ()))
        return answer

    # ---- WebSocket ----------------------------------------------------------

    def send_frame(self, opcode, payload=b"", **shape):
        self.send(frame(opcode, payload, **shape))

    def send_text(self, text):
        self.send_frame(TEXT, text)

    def read_frame(self, timeout=None):
        """The next frame, or None at the end."""
        while True:
            found = parse_frame(self.data)
            if found is not None:
                del self.data[:found[1]]
                return found[0]
            if not self.recv(timeout):
                assert not self.data, f"half a frame, then {self.end}"
                return None

    def expect(self, opcode, payload=None, rsv=0):
        """The next frame is this one."""
        got = self.read_frame()
        assert got is not None, f"{self.end} instead of a frame"
        assert (got.opcode, got.fin, got.rsv) == (opcode, True, rsv), got
        if isinstance(payload, str):
            payload = payload.encode()
        if payload is not None:
            assert got.payload == payload, \
                (got.payload[:100], payload[:100], len(got.payload))
        return got

    def expect_close(self, code, reason=None):
        """The next frame is a Close with this code, then comes the end."""
        got = self.expect(CLOSE)
        assert got.code == code, got
        if reason is not None:
            assert reason in got.reason, got
        self.expect_end()
        return got

    def expect_end(self, *kinds):
        """The peer says goodbye in good order and sends nothing more."""
        assert self.read_frame() is None, "a frame behind the Close"
        kinds = kinds or (("close_notify",) if self.tls else ("fin",))
        assert self.end in kinds, self.end

    def echo(self, text="still there?"):
        """The server answers, so it has taken all that came before."""
        self.send_text(text)
        self.expect(TEXT, text)

    def close(self, code=1000, reason=""):
        """The closing handshake, begun here."""
        self.send_frame(CLOSE, close_payload(code, reason))
        self.expect_close(code)
        self.drop()

    # ---- ends ---------------------------------------------------------------

    def unwrap(self):
        """close_notify both ways; raises when the peer's does not come."""
        end = time.monotonic() + self.timeout
        while True:
            try:
                self.tls.unwrap()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._pump(end)

    def shut(self):
        """FIN: nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    def drop(self):
        self.sock.close()


def connect(port, tls=None, path="/", fields=None, **more):
    """A Client that is open."""
    client = Client(port, tls, **more)
    try:
        client.upgrade(path, **(fields or {}))
    except BaseException:
        client.drop()
        raise
    return client


def random_text(n):
    return base64.b64encode(os.urandom(n))[:n].decode()
