#!/usr/bin/env python3
"""Records handshakes of OpenSSL and GnuTLS in TLS 1.2, with their key logs, into this folder.

Run it as it is: it needs `openssl` (3.0 or newer), `gnutls-cli` and `gnutls-serv`. Every run makes
new certificates, so every file changes; `../recorded.rs` reads whatever is here.

A file has sections of hex: the master secret from the key log; where RSA encrypts it, the premaster
secret, decrypted with the server's key; and all bytes that either side wrote.
"""

import os
import socket
import subprocess
import tempfile
import textwrap
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GNUTLS = "NONE:+VERS-TLS1.2:+MAC-ALL:+SIGN-ALL:+GROUP-ALL:+COMP-NULL:+CTYPE-X509"

# name, server's certificate, client shows one, server, its suite, client, its suite
RECORDINGS = [
    ("openssl-ecdhe-rsa-aes128-gcm", "rsa", True, "openssl", "ECDHE-RSA-AES128-GCM-SHA256", "openssl", "ALL"),
    ("openssl-ecdhe-ecdsa-aes256-gcm", "ec", False, "openssl", "ECDHE-ECDSA-AES256-GCM-SHA384", "openssl", "ALL"),
    ("openssl-ecdhe-ecdsa-chacha20", "ec", False, "openssl", "ECDHE-ECDSA-CHACHA20-POLY1305", "openssl", "ALL"),
    ("openssl-rsa-aes256-gcm-extended", "rsa", False, "openssl", "AES256-GCM-SHA384", "openssl", "AES256-GCM-SHA384"),
    ("gnutls-ecdhe-ecdsa-aes128-gcm", "ec", True, "gnutls", "+ECDHE-ECDSA:+AES-128-GCM", "gnutls", "+ECDHE-ECDSA:+AES-128-GCM"),
    ("gnutls-ecdhe-rsa-chacha20", "rsa", False, "gnutls", "+ECDHE-RSA:+CHACHA20-POLY1305", "gnutls", "+ECDHE-RSA:+CHACHA20-POLY1305"),
    ("gnutls-openssl-rsa-aes128-gcm-randoms", "rsa", False, "openssl", "AES128-GCM-SHA256", "gnutls", "+RSA:+AES-128-GCM:%NO_SESSION_HASH"),
]


def certificates(folder):
    for kind, new in [("rsa", ["rsa:2048"]), ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])]:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *new, "-nodes", "-days", "36500", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/{kind}.key", "-out", f"{folder}/{kind}.pem"],
            check=True, capture_output=True)


def server_command(kind, certificate, asks, suite, port, folder):
    if kind == "openssl":
        command = ["openssl", "s_server", "-accept", str(port), "-tls1_2", "-cipher", suite, "-quiet", "-rev", "-naccept", "1",
                   "-cert", f"{certificate}.pem", "-key", f"{certificate}.key", "-keylogfile", f"{folder}/keys"]
        # Another hash than the suite's, so that both are needed.
        return command + (["-verify", "1", "-client_sigalgs", "RSA+SHA512"] if asks else [])
    command = ["gnutls-serv", "--port", str(port), "--echo", "--quiet", "--priority", f"{GNUTLS}:{suite}",
               "--x509certfile", f"{certificate}.pem", "--x509keyfile", f"{certificate}.key"]
    return command + ([] if asks else ["--disable-client-cert"])


def client_command(kind, certificate, shows, suite, port):
    if kind == "openssl":
        command = ["openssl", "s_client", "-connect", f"localhost:{port}", "-tls1_2", "-cipher", suite, "-quiet"]
        return command + (["-cert", f"{certificate}.pem", "-key", f"{certificate}.key"] if shows else [])
    command = ["gnutls-cli", "--port", str(port), "--insecure", "--no-ca-verification", "--priority", f"{GNUTLS}:{suite}"]
    command += ["--x509certfile", f"{certificate}.pem", "--x509keyfile", f"{certificate}.key"] if shows else []
    return command + ["localhost"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def reachable(port):
    for _ in range(100):
        try:
            return socket.create_connection(("localhost", port))
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not listen")


def copy(source, sink, seen):
    try:
        while data := source.recv(65536):
            seen.extend(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def premaster_secret(of_client, folder):
    """What RSA has encrypted: the key log of either does not have it."""
    handshake, rest = b"", bytes(of_client)
    while rest[:1] == b"\x16":
        length = int.from_bytes(rest[3:5], "big")
        handshake, rest = handshake + rest[5:5 + length], rest[5 + length:]
    while handshake:
        length = int.from_bytes(handshake[1:4], "big")
        if handshake[0] == 16:
            command = ["openssl", "pkeyutl", "-decrypt", "-inkey", f"{folder}/rsa.key"]
            return subprocess.run(command, input=handshake[6:4 + length], capture_output=True, check=True).stdout.hex()
        handshake = handshake[4 + length:]
    raise SystemExit("there is no ClientKeyExchange")


def record(name, certificate, shows, server, server_suite, client, client_suite):
    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        port, between = free_port(), socket.create_server(("127.0.0.1", 0))
        environment = {**os.environ, "SSLKEYLOGFILE": f"{folder}/keys"}
        start = dict(cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        serving = subprocess.Popen(server_command(server, certificate, shows, server_suite, port, folder), stdin=subprocess.PIPE, **start)
        to_server = reachable(port)
        command = client_command(client, certificate, shows, client_suite, between.getsockname()[1])
        asking = subprocess.Popen(command, stdin=subprocess.PIPE, **start)
        to_client, _ = between.accept()
        of_client, of_server = bytearray(), bytearray()
        copies = [threading.Thread(target=copy, args=args) for args in
                  [(to_client, to_server, of_client), (to_server, to_client, of_server)]]
        for each in copies:
            each.start()
        time.sleep(1)
        asking.stdin.write(b"data of the client\n")
        asking.stdin.flush()
        time.sleep(1)
        asking.stdin.close()
        time.sleep(1)
        for process in [asking, serving]:
            process.terminate()
            process.wait()
        for each in copies:
            each.join()
        keys = [line.split() for line in Path(folder, "keys").read_text().splitlines()]
        master = {words[2] for words in keys if words[0] == "CLIENT_RANDOM"}
        premaster = premaster_secret(of_client, folder) if "-rsa-aes" in name and "ecdhe" not in name else None
        versions = [subprocess.run(line, capture_output=True, text=True).stdout.splitlines()[0]
                    for line in (["openssl", "version"], ["gnutls-cli", "--version"])]
        text = [f"# Server {server}, client {client}; {', '.join(versions)}. Made by record.py."]
        for title, value in [("master_secret", master.pop()), ("premaster_secret", premaster),
                             ("client", of_client.hex()), ("server", of_server.hex())]:
            if value:
                text += [f"[{title}]", *textwrap.wrap(value, 96)]
        Path(HERE, f"{name}.txt").write_text("\n".join(text) + "\n")
        print(name, len(of_client), len(of_server))


if __name__ == "__main__":
    for recording in RECORDINGS:
        record(*recording)
