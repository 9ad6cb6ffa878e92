# SPDX-License-Identifier: MIT
"""Unix sockets as addresses of a [listen]."""
import grp
import os
import socket
import stat

from clients import Client, connect
from conftest import needs_root
from holder import Holder
from wait import until


def unix(folder, name="ws.sock"):
    return {"listen": {"address": f"unix:{folder}/{name}",
                       "transport": "tcp"}}


def test_it_serves_and_goes(wssd, tmp_path):
    path = tmp_path / "ws.sock"
    server = wssd(unix(tmp_path), tcp=True)
    info = path.stat()
    assert stat.S_ISSOCK(info.st_mode)
    assert stat.S_IMODE(info.st_mode) == 0o660
    with connect(path) as client:
        client.echo()
        row, = server.connections()
        assert row["address"] == "unix:"
        assert "unix:" in server.ctl("connections").stdout
        assert server.addresses() == [f"unix:{path}"]
        assert f"ws+unix:{path}" in server.ctl("status").stdout
        client.close()
    assert server.stop() == 0
    assert not path.exists()


def test_tls_over_it(wssd, tmp_path, tls):
    wssd({"listen": {"address": f"unix:{tmp_path}/wss.sock"}})
    with connect(tmp_path / "wss.sock", tls) as client:
        client.echo()


def test_all_workers_have_it(wssd, tmp_path):
    """Both serve it; when one dies the other goes on at once."""
    server = wssd({**unix(tmp_path), "wssd": {"workers": 2}}, tcp=True)
    server.deaths_expected = True
    path = tmp_path / "ws.sock"
    clients = []

    def both():
        clients.append(connect(path))
        return len({row["worker"] for row in server.connections()}) == 2
    until(both, "both workers have clients")
    os.kill(server.worker_pids()[0], 9)
    for _ in range(20):
        with connect(path) as client:
            client.echo()
    server.await_log("serves the sockets of worker")
    until(lambda: len(server.worker_pids()) == 2, "the other is back")
    until(both, "the new worker has clients, too")
    for client in clients:
        client.drop()


def test_a_stale_one_is_replaced(wssd, tmp_path):
    path = tmp_path / "ws.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    wssd(unix(tmp_path), tcp=True)
    with connect(path) as client:
        client.echo()


def test_what_is_in_the_way(wssd, tmp_path):
    """A living socket, or another file, stays as it is."""
    path = tmp_path / "ws.sock"
    server = wssd(unix(tmp_path), tcp=True, start=False)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        for command in ["check", "start"]:
            result = server.ctl(command)
            assert result.returncode != 0
            assert f"{server.path}:" in result.stderr
            assert "another program does" in result.stderr
        assert path.exists()
    path.unlink()
    path.write_text("precious")
    result = server.ctl("start")
    assert result.returncode != 0
    assert "a file that is no socket is there" in result.stderr
    assert path.read_text() == "precious"


def test_check_leaves_it_alone(wssd, tmp_path):
    path = tmp_path / "ws.sock"
    server = wssd(unix(tmp_path), tcp=True, start=False)
    assert server.ctl("check").returncode == 0
    assert not path.exists()
    server.start()
    before = path.stat()
    assert server.ctl("check").returncode == 0
    assert path.stat() == before
    server.set({"listen": {"address": f"unix:{tmp_path}/no/ws.sock"}})
    result = server.ctl("check")
    assert result.returncode == 6
    assert "its folder: No such file or directory" in result.stderr


def test_reload(wssd, tmp_path):
    """One comes and one goes, and clients of the old one stay."""
    old, new = tmp_path / "ws.sock", tmp_path / "new.sock"
    server = wssd({**unix(tmp_path), "wssd": {"workers": 2}}, tcp=True)
    with connect(old) as client:
        server.set({"listen": {"address": f"unix:{old}, unix:{new}",
                               "socket_mode": "0666"}})
        server.reload()
        assert stat.S_IMODE(old.stat().st_mode) == 0o666
        assert stat.S_IMODE(new.stat().st_mode) == 0o666
        server.set({"listen": {"address": f"unix:{new}"}})
        server.reload()
        assert not old.exists()
        with connect(new) as other:
            other.echo()
        client.echo("still here")
        server.set({"listen": {"socket_group": "no-such-group"}})
        result = server.ctl("reload")
        assert result.returncode == 1
        assert "no group `no-such-group'" in result.stderr
        with connect(new) as other:
            other.echo()


@needs_root
def test_group(wssd, tmp_path):
    wssd({"listen": {"address": f"unix:{tmp_path}/ws.sock",
                     "transport": "tcp", "socket_mode": "0620",
                     "socket_group": "www-data"}}, tcp=True)
    info = (tmp_path / "ws.sock").stat()
    assert info.st_gid == grp.getgrnam("www-data").gr_gid
    assert stat.S_IMODE(info.st_mode) == 0o620


def test_limit_per_address(wssd, tmp_path):
    """Clients of a unix socket are not taken for one client."""
    server = wssd({"wssd": {"max_connections_per_address": 2},
                   "listen": {"address":
                              f"unix:{tmp_path}/ws.sock, 127.0.0.1:0"}},
                  tcp=True)
    path, port = tmp_path / "ws.sock", server.port(n=1)
    with Holder(port) as holder:
        holder.open(2)
        with Client(port) as third:
            assert not third.recv()
        some = [connect(path) for _ in range(5)]
        some[-1].echo()
    for client in some:
        client.drop()


def test_errors(wssd, tmp_path):
    server = wssd({"listen": {"socket_group": "nogroup"}}, tcp=True,
                  start=False)
    result = server.ctl("check")
    assert result.returncode == 6
    assert "socket_group: no address of this listen is a unix socket" in \
        result.stderr
    server.set({"listen": {"address": f"unix:{tmp_path}/a, "
                                      f"unix:{tmp_path}/a"}})
    assert "stands there twice" in server.ctl("check").stderr
