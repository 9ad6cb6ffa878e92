# SPDX-License-Identifier: MIT
"""handler = static: files of one folder, on the port of the WebSockets."""
import os
import subprocess

import pytest

from clients import Client, connect, request
from conftest import needs_root
from modules import build, route
from wait import until

PAGE = "<!doctype html><title>grüße</title>\n"
LARGE = os.urandom(1 << 20).hex()[:1 << 20]
FILES = {
    "index.html": PAGE,
    "a b.txt": "blank",
    "app.js": "1",
    "style.CSS": "2",
    "data.bin": "3",
    "empty.json": "",
    "sub/index.html": "sub",
    "sub/deep/x.svg": "<svg/>",
    ".well-known/acme-challenge/tok_en-1": "tok_en-1.thumb",
    ".hidden": "secret",
    ".git/config": "secret",
    "sub/.htpasswd": "secret",
    "large.txt": LARGE,
    "too-large.txt": LARGE + "x",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("root")
    made.chmod(0o755)  # the workers are somebody else
    (made.parent / "outside.txt").write_text("outside")
    for name, text in FILES.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (made / "inside").symlink_to("sub/index.html")
    (made / "outside").symlink_to("../outside.txt")
    (made / "absolute").symlink_to("/etc/passwd")
    (made / "loop").symlink_to("loop")
    os.mkfifo(made / "fifo")
    return made


@pytest.fixture(scope="module")
def server(wssd_module, folder):
    files = {"handler": "static", "root": folder}
    return wssd_module({
        "wssd": {"workers": 2},
        "listen tcp": {"address": "127.0.0.1:0", "transport": "tcp"},
        "route /": files,
        "route /files": files,
        "route /echo": {"handler": "echo"},
    })


def get(path, method="GET", extra=()):
    return request(path, method=method, key=None, version=None, upgrade=None,
                   connection=None, extra=extra)


def fetch(port, path, tls=None, **more):
    with Client(port, tls) as client:
        answer = client.ask(get(path, **more))
        client.expect_end()
    return answer


@pytest.mark.parametrize("path,name,kind", [
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/index.html", "index.html", "text/html; charset=utf-8"),
    ("/?v=1", "index.html", "text/html; charset=utf-8"),
    ("/a%20b.txt", "a b.txt", "text/plain; charset=utf-8"),
    ("/app%2ejs", "app.js", "text/javascript; charset=utf-8"),
    ("/style.CSS", "style.CSS", "text/css; charset=utf-8"),
    ("/data.bin", "data.bin", "application/octet-stream"),
    ("/empty.json", "empty.json", "application/json"),
    ("/sub/", "sub/index.html", "text/html; charset=utf-8"),
    ("/sub/deep/x.svg", "sub/deep/x.svg", "image/svg+xml"),
    ("/inside", "sub/index.html", "text/plain; charset=utf-8"),
    ("/.well-known/acme-challenge/tok_en-1",
     ".well-known/acme-challenge/tok_en-1", "text/plain; charset=utf-8"),
    ("/files", "index.html", "text/html; charset=utf-8"),
    ("/files/", "index.html", "text/html; charset=utf-8"),
    ("/files/sub/deep/x.svg", "sub/deep/x.svg", "image/svg+xml"),
])
def test_files(server, tls, path, name, kind):
    for listen, use in [("tcp", None), ("default", tls)]:
        answer = fetch(server.port(listen), path, use)
        assert answer.status == 200
        assert answer.body == FILES[name]
        assert answer.headers["content-type"] == kind
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", [
    "/none", "/sub", "/sub/none/", "/index.html/", "/.hidden", "/.git/config",
    "/sub/.htpasswd", "/.", "/..", "/../outside.txt", "/sub/../index.html",
    "/%2e%2e/outside.txt", "/sub/%2e%2e/%2e%2e/outside.txt",
    "/..%2foutside.txt", "/sub%2findex.html", "//index.html", "/sub//",
    "//etc/passwd", "/outside", "/absolute", "/loop", "/fifo",
    "/index.html%00.txt", "/%0a", "/%7f", "/%", "/%2", "/%zz", "/\\..\\x",
    pytest.param("/" + "x" * 300, id="long-name"),
    pytest.param("/" + "x/" * 700, id="long-path"),
    "/.well-known", "/filesx", "/files/../outside.txt"])
def test_not_there(server, path):
    answer = fetch(server.port("tcp"), path)
    assert answer.status == 404, answer
    assert "secret" not in answer.body and "outside" not in answer.body


def test_large_files(server, tls):
    for listen, use in [("tcp", None), ("default", tls)]:
        assert fetch(server.port(listen), "/large.txt", use).body == LARGE
        answer = fetch(server.port(listen), "/too-large.txt", use)
        assert answer.status == 500
        assert "bigger than 1048576 bytes" in answer.body


def test_head(server):
    with Client(server.port("tcp")) as client:
        client.send(get("/", method="HEAD"))
        while client.recv():
            pass
        text = client.data.decode()
        assert client.end == "fin"
    assert text.startswith("HTTP/1.1 200 OK\r\n")
    assert f"\r\nContent-Length: {len(PAGE.encode())}\r\n" in text
    assert text.endswith("\r\n\r\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(server, method):
    answer = fetch(server.port("tcp"), "/", method=method)
    assert answer.status == 405
    assert answer.headers["allow"]


def test_an_upgrade_is_refused(server, tls):
    for path in ["/", "/none"]:
        with Client(server.port(), tls) as client:
            answer = client.ask(request(path))
            assert answer.status == 400
            assert "no WebSocket" in answer.body
            client.expect_end()


def test_another_upgrade_is_ignored(server):
    """As curl --http2 asks for it: RFC 9110, section 7.8."""
    answer = fetch(server.port("tcp"), "/", extra=[
        ("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings")])
    assert answer.status == 200


def test_other_routes_stay_as_they_are(server):
    answer = fetch(server.port("tcp"), "/echo")
    assert answer.status == 426
    with connect(server.port("tcp"), path="/echo") as client:
        client.echo()


def test_a_slow_reader(server):
    """It holds up nobody, and gets all."""
    port = server.port("tcp")
    with Client(port, receive_buffer=4096, timeout=30) as slow:
        slow.send(get("/large.txt"))
        for _ in range(20):
            assert fetch(port, "/").status == 200
        answer = slow.read_answer()
        assert answer.body == LARGE
        slow.expect_end()


def test_requests_behind_it_are_not_answered(server):
    with Client(server.port("tcp")) as client:
        client.send(get("/app.js") * 3)
        assert client.read_answer().body == "1"
        while client.recv():
            pass
        assert not client.data


def test_it_is_counted(server):
    before = server.totals()
    fetch(server.port("tcp"), "/")
    fetch(server.port("tcp"), "/none")
    after = server.totals()
    assert after["http_answered"] == before["http_answered"] + 1
    assert after["http_refused"] == before["http_refused"] + 1


def test_descriptors_do_not_leak(server):
    port = server.port("tcp")
    for _ in range(300):
        fetch(port, "/sub/")
    counts = [len(os.listdir(f"/proc/{pid}/fd"))
              for pid in server.worker_pids()]
    assert max(counts) < 100, counts


def test_curl(server, authority):
    """A client that nobody here has written."""
    done = subprocess.run(
        ["curl", "-sS", "--fail", "--cacert", authority.path, "-D", "-",
         f"https://localhost:{server.port()}/"],
        capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().endswith(PAGE)


# ---- changes, and a wrong config ---------------------------------------------

def test_new_files_and_a_new_folder(wssd, tmp_path):
    """As certbot puts them there; another folder comes with a reload."""
    first, second = tmp_path / "1", tmp_path / "2"
    for path in (first, second):
        path.mkdir()
    server = wssd({"route /": {"handler": "static", "root": first}},
                  tcp=True)
    port = server.port()
    assert fetch(port, "/token").status == 404
    (first / "token").write_text("one")
    assert fetch(port, "/token").body == "one"
    (first / "token").unlink()
    assert fetch(port, "/token").status == 404
    (second / "token").write_text("two")
    # The old workers cannot be let into it: they are replaced.
    server.set({"route /": {"root": second}})
    server.reload()
    assert fetch(port, "/token").body == "two"
    assert not server.log_has("sandbox refused|less than it should")


@needs_root
def test_what_workers_may_not_read(wssd, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "key").write_text("secret")
    (root / "key").chmod(0o600)
    server = wssd({"route /": {"handler": "static", "root": root}},
                  tcp=True)
    answer = fetch(server.port(), "/key")
    assert answer.status == 403
    assert "may not read" in answer.body
    root.chmod(0o700)
    result = server.ctl("check")
    assert result.returncode == 6
    assert "the workers cannot read in root: Permission denied" in \
        result.stderr


@pytest.mark.parametrize("keys,error", [
    ({}, "handler = static needs `root'"),
    ({"root": "www"}, "is not a full path"),
    ({"root": "/no/such/folder"}, "cannot open root /no/such/folder: No such"),
    ({"root": "/etc/passwd"}, "cannot open root /etc/passwd: Not a direct"),
])
def test_wrong_config(wssd, keys, error):
    server = wssd({"route /": {"handler": "static", **keys}}, tcp=True,
                  start=False)
    result = server.ctl("check")
    assert result.returncode == 6
    assert f"{server.path}:" in result.stderr
    assert error in result.stderr


# ---- what a module can do with it ---------------------------------------------

GETTING = r"""
#include <stdio.h>
#include <string.h>
#include <wssd/handler.h>
static int on_get(struct wss_conn *c, const struct wss_request *r)
{
	struct wss_route *route = wss_conn_route(c);
	char text[300];
	if (r->query.len == 6 && memcmp(r->query.data, "refuse", 6) == 0) {
		wss_error(route, "no %s", "today");
		return 418;
	}
	if (r->query.len == 4 && memcmp(r->query.data, "lazy", 4) == 0)
		return 0;
	if (r->query.len == 5 && memcmp(r->query.data, "close", 5) == 0)
		wss_close(c, 1000, "");
	snprintf(text, sizeof(text), "%.*s %s fd=%d send=%d",
	    (int)r->path.len, r->path.data, wss_secure(c) ? "secure" :
	    "plain", wss_option_fd(route, "root"), wss_send(c, 1, "x", 1));
	wss_answer(c, 200, "text/plain", "X-More: 1\r\n", text,
	    strlen(text));
	wss_answer(c, 200, "text/plain", NULL, "twice", 5);
	return 0;
}
static int on_open(struct wss_conn *c, const struct wss_request *r)
{
	(void)r;
	wss_answer(c, 200, "text/plain", NULL, "x", 1);
	wss_error(wss_conn_route(c), "not for you");
	return 403;
}
const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "getting", .open = on_open, .get = on_get };
"""


def test_a_module_answers(wssd, tmp_path):
    server = wssd({"route /": route(build(tmp_path, GETTING))}, tcp=True)
    port = server.port()
    answer = fetch(port, "/x/y")
    assert answer.body == "/x/y plain fd=-1 send=-1"
    assert answer.headers["x-more"] == "1"
    answer = fetch(port, "/?refuse")
    assert (answer.status, answer.body) == (418, "no today\n")
    assert fetch(port, "/?lazy").status == 500
    with Client(port) as client:
        client.send(get("/?close"))
        assert not client.recv()
    with Client(port) as client:
        answer = client.ask(request("/"))
        assert (answer.status, answer.body) == (403, "not for you\n")
        client.expect_end()
    server.await_log("refused 403: not for you")
    until(lambda: server.totals()["connections"] == 0, "all have left")
