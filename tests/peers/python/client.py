"""Client over Python's ssl. Argument: a JSON object, see tests/src/peers/python.rs.

Sends a line, waits for one of the same length, and prints one JSON object: `reply` or `error`,
`version`, `suite`, `alpn`.
"""

import json
import socket
import ssl
import sys


def main() -> None:
    config = json.loads(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    version = ssl.TLSVersion[config["version"]]
    context.minimum_version = context.maximum_version = version
    if config["root"]:
        context.load_verify_locations(config["root"])
    if config["chain"]:
        context.load_cert_chain(config["chain"], config["key"])
    if config["alpn"]:
        context.set_alpn_protocols(config["alpn"])

    result = {}
    try:
        exchange(context, config, result)
    except OSError as error:
        result["error"] = str(error)
    print(json.dumps(result), flush=True)
    sys.exit("error" in result)


def exchange(context: ssl.SSLContext, config: dict, result: dict) -> None:
    line = config["line"].encode() + b"\n"
    connection = socket.create_connection((config["host"], config["port"]), timeout=15)
    with context.wrap_socket(connection, server_hostname=config["server_name"]) as tls:
        result.update(version=tls.version(), suite=tls.cipher()[0], alpn=tls.selected_alpn_protocol())
        tls.sendall(line)
        reply = b""
        while len(reply) < len(line):
            data = tls.recv(65536)
            if not data:
                raise ConnectionError(f"the connection was closed after {len(reply)} bytes")
            reply += data
        result["reply"] = reply.decode().rstrip("\n")
        try:
            tls.unwrap()
        except OSError:
            pass  # the peer may close the socket without its own close_notify


main()
