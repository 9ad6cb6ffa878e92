# SPDX-License-Identifier: MIT
"""The servers somebody could take instead.  What is not installed is left
out, with a word; the packages are Debian's npm, nginx, libwebsockets-dev
and websocketd."""

import pathlib
import shutil
import subprocess
import tempfile

import servers

PEERS = pathlib.Path(__file__).resolve().parent / "peers"

NGINX = """\
daemon off;
worker_processes 1;
pid {tmp}/pid;
error_log {tmp}/error.log;
events {{ worker_connections 8192; }}
http {{
	access_log off;
	client_body_temp_path {tmp}/body;
	proxy_temp_path {tmp}/proxy;
	fastcgi_temp_path {tmp}/fastcgi;
	uwsgi_temp_path {tmp}/uwsgi;
	scgi_temp_path {tmp}/scgi;
	server {{
		listen 127.0.0.1:{port} ssl backlog=65535;
		ssl_certificate {certs}/{cert}.pem;
		ssl_certificate_key {certs}/{cert}.key;
		ssl_protocols TLSv1.3;
		location / {{
			proxy_pass http://127.0.0.1:{backend};
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection upgrade;
			proxy_set_header Host $host;
			proxy_buffer_size 64k;
			proxy_buffers 8 64k;
		}}
	}}
}}
"""

BACKEND = """\
[wssd]
workers = 1
run_dir = {tmp}/run
{user}
[listen]
address = 127.0.0.1:{port}
transport = tcp
backlog = 65535
[route /]
handler = echo
max_message = 16m
"""


class Batch(servers.Limit):
    """Nobody's: what cannot be undercut by a server that is built as wssd."""
    name = "wssd's construction alone"
    arguments = ["--batch"]


class BatchPlain(servers.Limit):
    name = "the same, io_uring off"
    arguments = ["--batch", "--plain"]


def need(program):
    if shutil.which(program) is None:
        raise servers.Unable(f"{program} is not installed")


class NpmWs(servers.Server):
    name = "npm ws"
    broadcast = "/broadcast"

    def __init__(self, options, tmp, cert="ecdsa"):
        super().__init__(options)
        need("node")
        need("npm")
        if not (PEERS / "node_modules").is_dir():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund",
                            "--loglevel=error"], cwd=PEERS, check=True,
                           stdout=subprocess.DEVNULL)
        self.port = servers.free_port()
        self.start(["node", str(PEERS / "ws.mjs"), str(self.port),
                    f"{tmp}/{cert}.pem", f"{tmp}/{cert}.key"])
        self.wait_port()
        self.pids = [self.process.pid]
        self.pin()


class Libwebsockets(servers.Server):
    name = "libwebsockets"

    def __init__(self, options, tmp, cert="ecdsa"):
        super().__init__(options)
        program = pathlib.Path(tmp, "lws")
        if not program.exists():
            built = subprocess.run(
                ["cc", "-O2", "-o", str(program), str(PEERS / "lws.c"),
                 "-lwebsockets"], capture_output=True, check=False)
            if built.returncode != 0:
                raise servers.Unable("libwebsockets-dev is not installed")
        self.port = servers.free_port()
        self.start([str(program), str(self.port), f"{tmp}/{cert}.pem",
                    f"{tmp}/{cert}.key"])
        self.wait_port()
        self.pids = [self.process.pid]
        self.pin()


class Nginx(servers.Server):
    """nginx does the TLS, wssd without TLS echoes behind it: the CPU and
    memory of both count."""

    name = "nginx + ws:// echo"

    def __init__(self, options, tmp, cert="ecdsa"):
        super().__init__(options)
        need("nginx")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="nginx-", dir=tmp))
        backend = servers.free_port()
        root = servers.os.geteuid() == 0
        (folder / "wssd.ini").write_text(BACKEND.format(
            tmp=folder, port=backend,
            user="user = root\ngroup = root" if root else ""))
        self.backend = servers.spawn(
            [f"{options.build}/bin/wssd", "-c", str(folder / "wssd.ini"),
             "--foreground"], stderr=subprocess.DEVNULL)
        self.port = servers.free_port()
        config = NGINX.format(tmp=folder, port=self.port, certs=tmp,
                              cert=cert, backend=backend)
        if root:
            config = "user root;\n" + config
        (folder / "nginx.conf").write_text(config)
        self.start(["nginx", "-p", str(folder), "-c",
                    str(folder / "nginx.conf")])
        try:
            self.wait_port()
        except servers.Unable:
            self.stop()
            raise
        self.pids = (servers.descendants(self.process.pid) +
                     servers.descendants(self.backend.pid))
        self.pin()

    def stop(self):
        super().stop()
        servers.stop(self.backend)


class Websocketd(servers.Server):
    """A process for each connection: here cat."""

    name = "websocketd + cat"

    def __init__(self, options, tmp, cert="ecdsa"):
        super().__init__(options)
        need("websocketd")
        self.port = servers.free_port()
        cpus = ",".join(map(str, options.server_cpus))
        self.start(["taskset", "-c", cpus, "websocketd",
                    f"--port={self.port}", "--address=127.0.0.1", "--ssl",
                    f"--sslcert={tmp}/{cert}.pem",
                    f"--sslkey={tmp}/{cert}.key", "--loglevel=error",
                    "cat"], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
        self.wait_port()

    @property
    def pids(self):
        """The processes of the moment; bench-load takes 64 at most."""
        return [self.process.pid]

    @pids.setter
    def pids(self, value):
        pass


ALL = {"ws": NpmWs, "libwebsockets": Libwebsockets, "nginx": Nginx,
       "websocketd": Websocketd, "batch": Batch, "batch-plain": BatchPlain}
