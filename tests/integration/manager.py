# SPDX-License-Identifier: MIT
"""As much of a service manager as wssd talks to: sockets at its start, the
notify socket, and the descriptor store."""
import os
import socket
import sys

# Puts the descriptors where sd_listen_fds(3) says, then becomes wssd.
LAUNCH = """
import os, sys
fds = [int(word) for word in sys.argv[1].split(",") if word]
high = [os.dup(fd) for fd in fds]
while high and min(high) < 3 + len(fds):
    high = [os.dup(fd) for fd in high]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(fds), 256)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(15)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o777)
        self.store = []         # (name, descriptor)
        self.heard = []

    def attach(self, daemon, sockets=(), **env):
        """The next start of the daemon gets these (name, descriptor)s."""
        fds = [fd for _, fd in sockets]
        daemon.env.update(NOTIFY_SOCKET=self.path, LISTEN_FDS=str(len(fds)),
                          LISTEN_FDNAMES=":".join(n for n, _ in sockets))
        daemon.env.update(env)
        daemon.launcher = [sys.executable, "-c", LAUNCH,
                           ",".join(map(str, fds))]
        daemon.pass_fds = fds
        return daemon

    def hear(self):
        """The next message as a dict; descriptors go to the store."""
        data, fds, flags, _ = socket.recv_fds(self.sock, 4096, 253)
        assert not flags & socket.MSG_CTRUNC
        message = dict(line.split("=", 1)
                       for line in data.decode().splitlines())
        name = message.get("FDNAME")
        if "FDSTORE" in message:
            assert ":" not in name and len(name) <= 255
            self.store += [(name, fd) for fd in fds]
        elif "FDSTOREREMOVE" in message:
            self.forget(name)
        self.heard.append(message)
        return message

    def await_(self, key):
        while key not in self.hear():
            pass
        return self.heard[-1]

    def forget(self, name=None):
        for one, fd in self.store:
            if name in (None, one):
                os.close(fd)
        self.store = [(n, fd) for n, fd in self.store
                      if name not in (None, n)]

    def names(self):
        return sorted(name for name, _ in self.store)

    def close(self):
        self.forget()
        self.sock.close()
