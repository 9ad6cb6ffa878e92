# SPDX-License-Identifier: MIT
"""What a worker is and can reach, seen from outside while it serves."""
import os
import pathlib
import pwd

import pytest

import modules
from clients import TEXT, connect
from conftest import needs_root
from daemon import drop_to, status_field

NOBODY = pwd.getpwnam("nobody")

# Tries to open the file it is told, and says how that ended.
SNOOP = r"""
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <wssd/handler.h>

static void
on_message(struct wss_conn *c, const struct wss_message *m)
{
	char path[4096], *word = "opened";
	int fd;

	memcpy(path, m->data, m->len);
	path[m->len] = '\0';
	fd = open(path, O_RDONLY);
	if (fd == -1)
		word = strerror(errno);
	else
		close(fd);
	wss_send(c, 1, word, strlen(word));
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "snoop", .message = on_message };
"""


@needs_root
def test_workers_of_root(wssd, tls):
    one = wssd({"wssd": {"workers": 2}})
    for pid in one.worker_pids():
        assert status_field(pid, "Uid").split() == [str(NOBODY.pw_uid)] * 4
        assert status_field(pid, "Gid").split() == [str(NOBODY.pw_gid)] * 4
        assert status_field(pid, "Groups") == ""
        assert status_field(pid, "NoNewPrivs") == "1"
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"):
            assert int(status_field(pid, name), 16) == 0, name
        root = pathlib.Path(f"/proc/{pid}/root")
        assert list(root.iterdir()) == []
        with pytest.raises(OSError):
            (root / "file").touch()
        assert os.readlink(f"/proc/{pid}/cwd").endswith("(deleted)")
    assert status_field(one.pid, "Uid").split()[0] == "0"
    with connect(one.port(), tls) as client:
        client.echo()


@needs_root
def test_workers_reach_no_file(wssd, tls, leaf, tmp_path):
    path = modules.build(tmp_path, SNOOP)
    one = wssd({"route /": {**modules.route(path)}})
    with connect(one.port(), tls) as client:
        for target in (leaf.key, one.path, "/etc/passwd", "/proc/self/maps",
                       "/", "../../../etc/passwd"):
            client.send_text(str(target))
            got = client.expect(TEXT).payload.decode()
            assert got in ("No such file or directory",
                           "Permission denied",
                           "Operation not permitted"), (target, got)


@needs_root
def test_a_user_that_is_not_there_is_fatal(wssd):
    """Better nobody is served than by root."""
    one = wssd({"wssd": {"user": "no-such-user"}}, start=False)
    one.spawn()
    assert one.wait() == 6
    assert 'there is no user "no-such-user"' in one.log()


def test_an_ordinary_user(wssd, tls, open_folder, authority):
    """It just runs, as who started it."""
    become = drop_to("nobody") if os.geteuid() == 0 else None
    uid = NOBODY.pw_uid if become else os.getuid()
    home = open_folder / "home"
    home.mkdir(mode=0o755)
    leaf = authority.issue(folder=home)
    if become:
        for path in (home, leaf.cert, leaf.key):
            os.chown(path, uid, NOBODY.pw_gid)
    one = wssd({"wssd": {"run_dir": home / "run", "user": "no-such-user"},
                "context": {"local_cert": leaf.cert, "local_pk": leaf.key}},
               start=False, preexec=become, binaries=open_folder / "bin")
    # The config stands where that user can read it.
    one.path = home / "wssd.ini"
    one.set({})
    one.start()
    for pid in [one.pid] + one.worker_pids():
        assert status_field(pid, "Uid").split() == [str(uid)] * 4
    for pid in one.worker_pids():
        assert status_field(pid, "NoNewPrivs") == "1"
        assert int(status_field(pid, "CapEff"), 16) == 0
    with connect(one.port(), tls) as client:
        client.echo()
    one.reload()
