# SPDX-License-Identifier: MIT
"""A real nginx, Apache or HAProxy in front of wssd: a private instance from a
folder of its own, for the first two with the file that etc/ has for it.

The file is used as an administrator uses it: the lines marked "edit" get
other names, ports and paths.  For short tests the timeout does, too.
"""
import grp
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from clients import Client
from modules import SOURCE
from wait import until

NGINX = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	include {folder}/wssd.conf;
}}
"""

APACHE_MODULES = ("mpm_event", "authz_core", "ssl", "socache_shmcb", "proxy",
                  "proxy_http", "headers")
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
Mutex posixsem
Timeout {timeout}
StartServers 1
ThreadsPerChild 25
{modules}
{user}
Listen 127.0.0.1:{port}
Include {folder}/wssd.conf
"""

# {send} of the PROXY protocol; TLS ends here, or goes through.
HAPROXY = """
defaults
	mode tcp
	timeout connect 5s
	timeout client {timeout}s
	timeout server {timeout}s
listen wssd
	bind 127.0.0.1:{port}{bind}
	server wssd {server} {send}
"""


def program(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        assert "WSSD_NO_SKIP" not in os.environ, f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def substitute(text, pairs):
    for pattern, value in pairs:
        text, n = re.subn(pattern, str(value), text, flags=re.M)
        assert n > 0, f"{pattern!r} is not in the file"
    return text


class Front:
    """name: nginx, apache or haproxy.  timeout: seconds of silence it bears.
    haproxy needs to know which PROXY header to send where."""

    def __init__(self, name, leaf, timeout=75, send=None, server=None,
                 ends_tls=True):
        self.name, self.leaf, self.timeout = name, leaf, timeout
        self.send, self.server, self.ends_tls = send, server, ends_tls
        # Where its unprivileged processes can go.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wssd-front-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "ws.sock"
        self.root = os.geteuid() == 0
        self.port = free_port()
        self.process = None

    def listen(self):
        """The [listen] for wssd that the file asks for."""
        group = "www-data" if self.root else \
            grp.getgrgid(os.getegid()).gr_name
        return {"address": f"unix:{self.socket}", "transport": "tcp",
                "socket_group": group, "trusted_proxies": "unix:"}

    def _nginx(self):
        text = (SOURCE / "etc/nginx/wssd.conf").read_text()
        text = substitute(text, [
            (r"^\tlisten 443 ssl;.*", f"\tlisten 127.0.0.1:{self.port} ssl;"),
            (r"^\tlisten \[::\]:443.*\n", ""),
            (r"server_name example\.org", "server_name localhost"),
            (r"/etc/letsencrypt/live/example\.org/fullchain\.pem",
             self.leaf.cert),
            (r"/etc/letsencrypt/live/example\.org/privkey\.pem",
             self.leaf.key),
            (r"server unix:/run/wssd/ws\.sock", f"server unix:{self.socket}"),
            (r"_timeout 75s", f"_timeout {self.timeout}s")])
        main = NGINX.format(folder=self.folder, user="user www-data;"
                            if self.root else "")
        return text, main, [program("nginx"), "-p", self.folder, "-e",
                            self.folder / "error.log", "-c",
                            self.folder / "main.conf"]

    def _apache(self):
        text = (SOURCE / "etc/apache/wssd.conf").read_text()
        text = substitute(text, [
            (r"^<VirtualHost \*:443>", f"<VirtualHost *:{self.port}>"),
            (r"ServerName example\.org", "ServerName localhost"),
            (r"/etc/letsencrypt/live/example\.org/fullchain\.pem",
             self.leaf.cert),
            (r"/etc/letsencrypt/live/example\.org/privkey\.pem",
             self.leaf.key),
            (r"unix:/run/wssd/ws\.sock\|", f"unix:{self.socket}|"),
            (r" timeout=75 ", f" timeout={self.timeout} ")])
        modules = [f"LoadModule {name}_module "
                   f"/usr/lib/apache2/modules/mod_{name}.so"
                   for name in APACHE_MODULES]
        user = "User www-data\nGroup www-data" if self.root else ""
        main = APACHE.format(folder=self.folder, port=self.port, user=user,
                             timeout=self.timeout,
                             modules="\n".join(modules))
        return text, main, [program("apache2"), "-D", "FOREGROUND", "-f",
                            self.folder / "main.conf"]

    def _haproxy(self):
        pem = self.folder / "both.pem"
        pem.write_bytes(self.leaf.cert.read_bytes() +
                        self.leaf.key.read_bytes())
        main = HAPROXY.format(
            port=self.port, timeout=self.timeout, send=self.send,
            server=self.server or f"unix@{self.socket}",
            bind=f" ssl crt {pem}" if self.ends_tls else "")
        return "", main, [program("haproxy"), "-db", "-f",
                          self.folder / "main.conf"]

    def start(self):
        text, main, command = getattr(self, f"_{self.name}")()
        (self.folder / "wssd.conf").write_text(text)
        (self.folder / "main.conf").write_text(main)
        with open(self.folder / "output", "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL)
        until(self.answers, f"{self.name} answers", 20)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()
        try:
            Client(self.port).drop()
        except OSError:
            return False
        return True

    def log(self):
        return "".join(path.read_text(errors="replace") for path in
                       (self.folder / "output", self.folder / "error.log")
                       if path.exists())

    def workers(self):
        """Its processes but the first."""
        path = pathlib.Path(f"/proc/{self.process.pid}/task/"
                            f"{self.process.pid}/children")
        return set(path.read_text().split())

    def reload(self):
        """As its own service does.  Returns when the new workers serve."""
        before = self.workers()
        self.process.send_signal(signal.SIGHUP if self.name == "nginx" else
                                 signal.SIGUSR1)
        until(lambda: self.workers() - before, "it has new workers", 20)
        until(self.answers, f"{self.name} answers", 20)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
