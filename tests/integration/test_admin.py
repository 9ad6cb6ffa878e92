# SPDX-License-Identifier: MIT
"""[listen] with role = admin: /metrics, /livez, /readyz, and nobody else's."""
import http.client
import re
import shutil
import signal
import subprocess
import threading

import pytest

from clients import Client, connect
from wait import until

HERE = "127.0.0.1"
ADMIN = {"listen admin": {"address": f"{HERE}:0", "role": "admin"}}


def ask(port, path, method="GET", tls=None):
    kind = http.client.HTTPConnection if tls is None else \
        http.client.HTTPSConnection
    more = {} if tls is None else {"context": tls}
    link = kind(HERE if tls is None else "localhost", port, timeout=20,
                **more)
    link.request(method, path)
    answer = link.getresponse()
    body = answer.read().decode()
    link.close()
    return answer, body


def metrics(port):
    """{"name{labels}": value} and the text."""
    answer, text = ask(port, "/metrics")
    assert answer.status == 200
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in found, f"{name} is there twice"
            found[name] = float(value)
    return found, text


def await_metric(port, name, value):
    until(lambda: metrics(port)[0].get(name) == value, f"{name} = {value}")


@pytest.fixture(scope="module")
def server(wssd_module):
    one = wssd_module({"wssd": {"workers": 2}, **ADMIN})
    one.admin = one.port("admin")
    return one


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz",
                                  "/livez?x=1"])
def test_health(server, path):
    answer, body = ask(server.admin, path)
    assert (answer.status, body) == (200, "ok\n")
    assert answer.getheader("Connection") == "close"
    assert answer.getheader("Cache-Control") == "no-store"


def test_head(server):
    answer, body = ask(server.admin, "/metrics", "HEAD")
    assert answer.status == 200 and body == ""
    assert int(answer.getheader("Content-Length")) > 1000


@pytest.mark.parametrize("path, method, status", [
    ("/", "GET", 404), ("/metrics/x", "GET", 404), ("/metrics", "DELETE", 405),
    ("//metrics", "GET", 404), ("/METRICS", "GET", 404)])
def test_refused(server, path, method, status):
    assert ask(server.admin, path, method)[0].status == status


def test_metrics(server, tls):
    answer, text = ask(server.admin, "/metrics")
    assert answer.getheader("Content-Type") == \
        "text/plain; version=0.0.4; charset=utf-8"
    before = metrics(server.admin)[0]
    client = connect(server.port(), tls)
    client.echo("12345")
    await_metric(server.admin, "wssd_websockets", 1)
    found, text = metrics(server.admin)
    assert found["wssd_messages_received_total"] == \
        before["wssd_messages_received_total"] + 1
    assert found["wssd_receive_bytes_total"] == \
        before["wssd_receive_bytes_total"] + 5
    assert found['wssd_route_websockets{route="/",handler="echo"}'] == 1
    assert found['wssd_listen_websockets{listen="default"}'] == 1
    assert found['wssd_worker_up{worker="0"}'] == 1
    assert found['wssd_worker_up{worker="1"}'] == 1
    assert found['wssd_worker_resident_memory_bytes{worker="0"}'] > 1 << 20
    assert found["wssd_config_last_reload_successful"] == 1
    assert re.search(r'wssd_build_info\{version="\d\S+",libraries="OpenSSL 3',
                     text)
    client.close()
    await_metric(server.admin, "wssd_websockets", 0)


def test_certificate(server):
    found = metrics(server.admin)[0]
    name = 'wssd_tls_certificate_not_after_timestamp_seconds{context="default"}'
    assert found[name] > found["process_start_time_seconds"]


def test_promtool(server):
    """Its rules: names, units, a help text, no family in two pieces."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed (package prometheus)"
    done = subprocess.run([promtool, "check", "metrics"],
                          input=metrics(server.admin)[1], text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_documented(server, request):
    """docs/metrics.md has what is shown, and shows what it has."""
    text = (request.path.parents[2] / "docs/metrics.md").read_text()
    listed = set(re.findall(r"^\| `([a-z_]+)", text, re.M))
    shown = set(re.findall(r"^# TYPE (\S+) ", metrics(server.admin)[1], re.M))
    assert shown == listed


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_not_on_the_public_listen(server, tls, path):
    """Neither as a page nor through a route that takes all paths."""
    client = Client(server.port(), tls)
    client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert client.read_answer().status == 426
    client.drop()


def test_no_websocket_on_the_admin_listen(server):
    client = Client(server.admin, host=HERE)
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert client.read_answer().status == 404
    client.drop()


def test_over_tls(wssd, tls):
    one = wssd({"listen admin": {"address": "127.0.0.1:0", "role": "admin",
                                 "transport": "ssl"}})
    assert ask(one.port("admin"), "/livez", tls=tls)[0].status == 200


# ---- life and death ----------------------------------------------------------

def sums(port):
    found = metrics(port)[0]
    return {name: found[name] for name in (
        "wssd_messages_received_total", "wssd_messages_sent_total",
        "wssd_receive_bytes_total", "wssd_handshakes_total{result=\"ok\"}")}


def test_a_dead_worker_is_neither_lost_nor_counted_twice(wssd, tls):
    one = wssd({"wssd": {"workers": 3}, **ADMIN})
    one.deaths_expected = True
    port = one.port("admin")
    for _ in range(12):
        client = connect(one.port(), tls)
        client.echo("x" * 100)
        client.close()
    want = {"wssd_messages_received_total": 12,
            "wssd_messages_sent_total": 12,
            "wssd_receive_bytes_total": 1200,
            "wssd_handshakes_total{result=\"ok\"}": 12}
    until(lambda: sums(port) == want, "all are counted")
    done, wrong = threading.Event(), []

    def watch():
        while not done.is_set():
            try:
                found = sums(port)
            except (OSError, http.client.HTTPException):
                continue    # it asked the one that was killed
            if found != want:
                wrong.append(found)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for pid in one.worker_pids():
            subprocess.run(["kill", "-KILL", str(pid)], check=True)
            until(lambda pid=pid: len(one.worker_pids()) == 3 and
                  pid not in one.worker_pids(), "it was replaced")
        assert one.ctl("restart", "--rolling").returncode == 0
        until(lambda: sum(
            v for k, v in metrics(port)[0].items()
            if k.startswith("wssd_worker_restarts_total")) == 3, "restarts")
    finally:
        done.set()
        thread.join(30)
    assert not wrong, wrong[:3]
    assert sums(port) == want


def test_a_reload_that_fails(wssd):
    one = wssd(ADMIN)
    port = one.port("admin")
    generation = metrics(port)[0]["wssd_config_generation"]
    one.set({"route /": {"handler": "ehco"}})
    assert one.ctl("reload").returncode == 6
    await_metric(port, "wssd_config_last_reload_successful", 0)
    one.set({"route /": {"handler": "echo"}})
    one.reload()
    await_metric(port, "wssd_config_last_reload_successful", 1)
    assert metrics(port)[0]["wssd_config_generation"] > generation


def test_added_by_a_reload(wssd):
    one = wssd()
    one.set(ADMIN)
    one.reload()
    port = one.port("admin")
    until(lambda: ask(port, "/metrics")[0].status == 200, "it counts")


def test_ready_no_more_while_it_stops(wssd, tls):
    one = wssd({"wssd": {"workers": 2, "drain_window": "30s",
                         "stop_timeout": "5s"}, **ADMIN})
    port, public = one.port("admin"), one.port()
    clients = [connect(public, tls) for _ in range(8)]
    one.signal(signal.SIGQUIT)
    until(lambda: ask(port, "/readyz")[0].status == 503, "not ready")
    assert ask(port, "/readyz")[1] == "stopping\n"
    assert ask(port, "/livez")[0].status == 200
    assert ask(port, "/metrics")[0].status == 200
    with pytest.raises(ConnectionRefusedError):
        connect(public, tls)
    # An admin connection that lingers holds up nothing.
    idle = Client(port, host=HERE)
    for client in clients:
        client.drop()
    assert one.wait() == 0
    idle.drop()


def test_a_full_service_can_be_looked_at(wssd, tls):
    one = wssd({"wssd": {"max_connections": 1}, **ADMIN})
    client = connect(one.port(), tls)
    for _ in range(3):
        assert ask(one.port("admin"), "/metrics")[0].status == 200
    client.close()


# ---- what the file may not say -------------------------------------------------

@pytest.mark.parametrize("sections, says", [
    ({"listen admin": {"address": "0.0.0.0:9464", "role": "admin"}},
     "wssd.ini:16: address: other machines can reach 0.0.0.0:9464, and role "
     "= admin is for 127.0.0.1, [::1] and unix: (or write allow_public = on)"),
    ({"listen admin": {"address": "127.0.0.1:0, [::]:9464", "role": "admin"}},
     "other machines can reach [::]:9464"),
    ({"listen admin": {"address": "192.0.2.1:9464", "role": "admin"}},
     "other machines can reach 192.0.2.1:9464"),
    ({"listen": {"allow_public": "on"}},
     "allow_public is only for role = admin"),
    ({"listen admin": {"address": "127.0.0.1:0", "role": "admin"},
      "route /x": {"handler": "echo", "listen": "admin"}},
     "listen: [listen admin] has role = admin, which serves no route"),
    ({"listen admin": {"address": "127.0.0.1:0", "role": "amdin"}},
     "role: "),
])
def test_wrong(wssd, sections, says):
    one = wssd(sections, start=False)
    done = one.ctl("check")
    assert done.returncode == 6
    assert says in done.stderr


def test_public_when_it_is_wanted(wssd):
    one = wssd({"listen admin": {"address": "0.0.0.0:0", "role": "admin",
                                 "allow_public": "on"}})
    assert ask(one.port("admin"), "/livez")[0].status == 200
