"""The proxies that are measured, and how each is configured: the same certificate, the same backends, one worker."""

import os
import shutil
import signal
import subprocess

# What stands behind a proxy: the services of `portcullis bench serve`.
SERVICES = ("echo", "discard", "source")

PORTCULLIS = """\
version = 1
log = {{ access = "off" }}
[[identity]]
name = "front"
certificate = "{cert}"
key = "{key}"
"""
PORTCULLIS_SERVICE = """\
[[listen]]
name = "{service}"
address = "127.0.0.1:{port}"
[[route]]
listen = "{service}"
identity = ["front"]
backend = {{ servers = ["127.0.0.1:{backend}"] }}
"""

NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {descriptors}; }}
stream {{
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_session_tickets on;
    proxy_half_close on;
    {tuning}
"""
NGINX_SERVICE = "    server {{ listen 127.0.0.1:{port} ssl backlog=4096; proxy_pass 127.0.0.1:{backend}; }}\n"

HAPROXY = """\
global
    nbthread 1
    maxconn {connections}
    stats socket {folder}/haproxy.sock level admin expose-fd listeners
    ssl-default-bind-options ssl-min-ver TLSv1.3
    {tuning}
defaults
    mode tcp
    maxconn {connections}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
"""
HAPROXY_SERVICE = """\
listen {service}
    bind 127.0.0.1:{port} ssl crt {both} backlog 4096
    server one 127.0.0.1:{backend}
"""

STUNNEL = """\
foreground = quiet
pid = {folder}/stunnel.pid
debug = crit
syslog = no
cert = {cert}
key = {key}
sslVersionMin = TLSv1.3
options = -NO_TICKET
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
"""
STUNNEL_SERVICE = "[{service}]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{backend}\n"

# One backend is all that it has: a process for each.
HITCH = """\
frontend = {{ host = "127.0.0.1" port = "{port}" }}
backend = "[127.0.0.1]:{backend}"
pem-file = "{both}"
workers = 1
backlog = 4096
tls-protos = TLSv1.3
log-level = 1
daemon = off
user = "nobody"
"""


class Peer:
    """A proxy: its files, its processes, and how it is told to read its certificate again."""

    def __init__(self, name, program, reload_signal, tuning="", rows=None):
        self.name = name
        self.program = program
        self.reload_signal = reload_signal
        self.tuning = tuning
        # Which rows it is in, if not in all.
        self.rows = rows
        self.ports = {}
        self.processes = []

    def is_here(self):
        return shutil.which(self.program) is not None or os.access(self.program, os.X_OK)

    def version(self):
        asked = {"nginx": "-v", "haproxy": "-v", "stunnel4": "-version", "hitch": "--version"}
        flag = asked.get(os.path.basename(self.program), "--version")
        said = subprocess.run([self.program, flag], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        lines = [line for line in (said.stdout + said.stderr).splitlines() if any(it.isdigit() for it in line)]
        return lines[0].strip() if lines else "?"

    def commands(self, setting, folder):
        """Writes its configuration into the folder, and gives the commands that start it."""
        values = dict(setting, folder=folder, tuning=self.tuning)
        of = lambda text, service: text.format(
            **values, service=service, port=self.ports[service], backend=setting["backends"][service])
        kind = os.path.basename(self.program)
        head, service, suffix = {
            "portcullis": (PORTCULLIS, PORTCULLIS_SERVICE, ".toml"),
            "nginx": (NGINX, NGINX_SERVICE, ".conf"),
            "haproxy": (HAPROXY, HAPROXY_SERVICE, ".cfg"),
            "stunnel4": (STUNNEL, STUNNEL_SERVICE, ".conf"),
            "hitch": ("", HITCH, ".conf"),
        }[kind]
        parts = [of(service, it) for it in SERVICES]
        if kind == "hitch":
            files = [(f"{self.name}-{it}{suffix}", part) for it, part in zip(SERVICES, parts)]
        else:
            end = "}\n" if kind == "nginx" else ""
            files = [(f"{self.name}{suffix}", head.format(**values) + "".join(parts) + end)]
        commands = []
        for name, text in files:
            path = os.path.join(folder, name)
            with open(path, "w") as file:
                file.write(text)
            commands.append({
                "portcullis": [self.program, "proxy", path],
                "nginx": [self.program, "-c", path, "-p", folder],
                "haproxy": [self.program, "-W", "-f", path],
                "stunnel4": [self.program, path],
                "hitch": [self.program, f"--config={path}"],
            }[kind])
        return commands

    def is_in(self, row):
        return self.rows is None or row in self.rows

    def reload(self):
        for process in self.processes:
            process.send_signal(self.reload_signal)


class Direct(Peer):
    """No proxy: the services themselves speak TLS. What a proxy adds to latency is what is beyond it."""

    def commands(self, setting, folder):
        serve = [self.program, "bench", "serve", "--cert", setting["cert"], "--key", setting["key"]]
        return [[*serve, "--service", it, "--listen", f"127.0.0.1:{self.ports[it]}"] for it in SERVICES]


def all_peers(portcullis):
    """Those of the table, in its order. Where a manual recommends larger buffers for bulk there is a second one, and the
    better of the two counts."""
    hang_up = signal.SIGHUP
    bulk = ("up1", "down1", "up100", "down100")
    return [
        Peer("portcullis", portcullis, hang_up),
        Peer("nginx", "nginx", hang_up),
        Peer("nginx-64k", "nginx", hang_up, "proxy_buffer_size 64k;", bulk),
        Peer("haproxy", "haproxy", signal.SIGUSR2),
        Peer("haproxy-64k", "haproxy", signal.SIGUSR2, "tune.bufsize 65536", bulk),
        Peer("stunnel", "stunnel4", hang_up),
        Peer("hitch", "hitch", hang_up),
        Direct("direct", portcullis, hang_up, rows=("latency",)),
    ]
