# SPDX-License-Identifier: MIT
"""The access log: what it says, and that nothing waits for it."""
import json
import os
import pathlib
import re
import select
import signal
import subprocess

import pytest

from clients import CLOSE, Client, close_payload, connect
from wait import until

FIELD = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|\S+)')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def parse_text(line):
    time, event = line.split(" ", 2)[:2]
    found = dict(FIELD.findall(line))
    assert f"{time} {event}" + "".join(
        f" {key}={value}" for key, value in found.items()) == line
    assert TIME.match(time)
    return {"event": event,
            **{key: value.strip('"') for key, value in found.items()}}


def parse_json(line):
    found = json.loads(line)
    assert TIME.match(found.pop("time"))
    return found


# The longer the lines, the sooner a buffer is full.
LONG = "/" + "x" * 450


class Log:
    def __init__(self, folder, form="text"):
        self.path = pathlib.Path(folder) / "access.log"
        self.form = form
        self.settings = {"access_log": self.path, "access_log_format": form}

    def rows(self):
        parse = parse_json if self.form == "json" else parse_text
        if not self.path.exists():
            return []
        text = self.path.read_text()
        assert text == "" or text.endswith("\n")
        return [parse(line) for line in text.splitlines()]

    def await_(self, n):
        return until(lambda: len(self.rows()) >= n and self.rows(),
                     f"{n} lines")


@pytest.fixture(params=["text", "json"])
def log(request, tmp_path):
    return Log(tmp_path, request.param)


def address(client):
    return "%s:%d" % client.sock.getsockname()


def test_open_and_close(wssd, tls, log):
    one = wssd({"wssd": log.settings,
                "route /": {"handler": "echo", "subprotocols": "chat.v1"}})
    client = connect(one.port(), tls, "/a/b?token=secret",
                     {"extra": ["Sec-WebSocket-Protocol: chat.v1"]})
    me = address(client)
    client.echo("hello")
    client.send_frame(CLOSE, close_payload(3210, 'b"y\u00e4\n'))
    client.expect_close(3210)
    client.drop()
    opened, closed = log.await_(2)
    assert opened["event"] == "open"
    assert opened["client"] == closed["client"] == me
    assert opened["id"] == closed["id"]
    assert opened["listen"] == "default" and opened["route"] == "/"
    assert opened["host"] == "localhost" and opened["path"] == "/a/b"
    assert opened["subprotocol"] == "chat.v1"
    assert opened["tls"] == "TLSv1.3" and "AES" in opened["cipher"]
    assert opened["resumed"] in (False, "no")
    assert closed["event"] == "close" and closed["by"] == "client"
    assert str(closed["code"]) == "3210"
    assert closed["reason"] == (
        'b"y\u00e4\n' if log.form == "json" else r'b\"y\xc3\xa4\x0a')
    assert int(closed["duration_ms"]) >= 0
    assert [str(closed[key]) for key in (
        "messages_in", "messages_out", "bytes_in", "bytes_out")] == \
        ["1", "1", "5", "5"]
    assert "secret" not in log.path.read_text()
    assert "secret" not in one.log()


def test_who_closed(wssd, log):
    one = wssd({"wssd": log.settings, "listen": {"transport": "tcp"},
                "route /": {"handler": "echo", "max_message": "100"}},
               tcp=True)
    too_big = connect(one.port())
    too_big.send_text("x" * 101)
    too_big.expect_close(1009)
    lost = connect(one.port())
    lost.reset()
    log.await_(4)
    stopped = connect(one.port())
    log.await_(5)
    one.signal(signal.SIGTERM)
    stopped.expect(CLOSE)
    stopped.send_frame(CLOSE, close_payload(1001))
    one.wait()
    rows = log.await_(6)
    closes = [(str(row["code"]), row["by"]) for row in rows
              if row["event"] == "close"]
    assert closes == [("1009", "server"), ("1006", "nobody"),
                      ("1001", "server")]
    assert "tls" not in rows[0]


def test_refused(wssd, tls, log):
    one = wssd({"wssd": log.settings,
                "route /": {"handler": "echo",
                            "origins": "https://example.org"}})
    for head in (b"GET /x?key=secret HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GARBAGE\r\n\r\n"):
        client = Client(one.port(), tls)
        client.send(head)
        client.read_answer()
        client.drop()
    rows = log.await_(2)
    assert [row["event"] for row in rows] == ["refused"] * 2
    assert [str(row["status"]) for row in rows] == ["426", "400"]
    assert rows[0]["path"] == "/x" and rows[0]["host"] == "a"
    assert "path" not in rows[1]
    assert "secret" not in log.path.read_text()


def test_page(wssd, tls, log, tmp_path):
    """And who a proxy has brought, without a port, as it did not tell it."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www/index.html").write_text("hello")
    one = wssd({"wssd": log.settings,
                "listen": {"trusted_proxies": "127.0.0.1"},
                "route /": {"handler": "static", "root": tmp_path / "www"}})
    with Client(one.port(), tls) as client:
        client.send(b"GET /?key=secret HTTP/1.1\r\nHost: a\r\n"
                    b"X-Real-IP: 203.0.113.7\r\n\r\n")
        assert client.read_answer().body == "hello"
    row, = log.await_(1)
    assert row["event"] == "page" and row["client"] == "203.0.113.7"
    assert row["path"] == "/" and row["route"] == "/"
    assert str(row["status"]) == "200" and str(row["bytes_out"]) == "5"
    assert "secret" not in log.path.read_text()


def test_turned_on_and_off_by_a_reload(wssd, tls, tmp_path):
    log = Log(tmp_path)
    one = wssd()
    first = connect(one.port(), tls)
    one.set({"wssd": log.settings})
    one.reload()
    connect(one.port(), tls).close()
    first.close()       # it was opened before there was a log
    assert [row["event"] for row in log.await_(3)] == \
        ["open", "close", "close"]
    one.set({"wssd": {"access_log": "off"}})
    one.reload()
    connect(one.port(), tls).close()
    one.set({"wssd": {"access_log": log.path, "access_log_format": "json"}})
    one.reload()
    connect(one.port(), tls).close()
    until(lambda: log.path.read_text().count("\n") == 5, "two lines more")
    assert log.path.read_text().splitlines()[3].startswith('{"time":"')


def test_rotated(wssd, tls, tmp_path):
    log = Log(tmp_path)
    one = wssd({"wssd": {"workers": 2, **log.settings}})
    for _ in range(5):
        connect(one.port(), tls).close()
    log.await_(10)
    old = log.path.with_suffix(".1")
    log.path.rename(old)
    assert one.ctl("reopen").returncode == 0
    for _ in range(5):
        connect(one.port(), tls).close()
    log.await_(10)
    assert old.read_text().count("\n") == log.path.read_text().count("\n") \
        == 10


def test_several_workers_write_whole_lines(wssd, tmp_path):
    log = Log(tmp_path, "json")
    one = wssd({"wssd": {"workers": 3, **log.settings}}, tcp=True)
    port = one.port()
    for _ in range(200):
        connect(port).drop()
    rows = log.await_(400)
    opened = {row["id"] for row in rows if row["event"] == "open"}
    assert len(rows) == 400 and len(opened) == 200
    assert opened == {row["id"] for row in rows if row["event"] == "close"}


def test_stderr(wssd, tls):
    one = wssd({"wssd": {"access_log": "stderr"}})
    connect(one.port(), tls).close()
    one.await_log(r'Z open id=.*\n(.*\n)*.*Z close id=.* code=1000 by=client')


def test_slow_reader(wssd, tmp_path):
    """A pipe that nobody empties: clients notice nothing, lines are counted."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    one = wssd({"wssd": {"access_log": path, "access_log_format": "json"}},
               tcp=True)
    n, port = 0, one.port()
    while one.totals()["access_log_dropped"] == 0:
        for _ in range(20):
            client = connect(port, path=LONG)
            client.echo()
            client.drop()
        n += 20
        assert n < 2000
    one.await_log("the access log could not be written: .* lines are lost")
    # What is there is whole, and it goes on when somebody reads.
    seen = b""

    def read():
        nonlocal seen
        try:
            seen += os.read(reader, 1 << 20)
        except BlockingIOError:
            pass
        return one.totals()["open"] == 0
    until(lambda: read() and seen.endswith(b"\n") and
          not select.select([reader], [], [], 0.5)[0], "all is read")
    before = seen.count(b"\n")
    connect(one.port()).close()
    until(lambda: read() and seen.count(b"\n") >= before + 2, "it goes on")
    for line in seen.splitlines():
        json.loads(line)
    os.close(reader)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk(wssd):
    one = wssd({"wssd": {"access_log": "/dev/full"}}, tcp=True)
    port = one.port()
    for _ in range(60):
        connect(port, path=LONG).drop()
    until(lambda: one.totals()["access_log_dropped"] > 0, "lines are lost")
    connect(port).close()


@pytest.mark.parametrize("value, says", [
    ("access.log", "access_log: `access.log' is neither off nor stderr nor "
     "syslog nor a path that begins with /"),
])
def test_wrong(wssd, value, says):
    one = wssd({"wssd": {"access_log": value}}, start=False)
    done = one.ctl("check")
    assert done.returncode == 6 and says in done.stderr


def test_cannot_be_opened(wssd, tmp_path):
    one = wssd({"wssd": {"access_log": tmp_path / "no" / "log"}}, start=False)
    one.spawn()
    assert one.wait() == 1
    assert one.log_has("cannot open the log .*/no/log: No such file")


def test_in_the_background(wssd, tmp_path):
    one = wssd({"wssd": {"access_log": Log(tmp_path).path}}, start=False,
               tcp=True)
    done = one.ctl("start")
    assert done.returncode == 0, done.stderr
    try:
        connect(one.port()).close()
        Log(tmp_path).await_(2)
    finally:
        subprocess.run([one.bin / "wssctl", "-c", one.path, "stop"],
                       env=one.env, check=True, capture_output=True)
