"""Echo server over Python's ssl. Argument: a JSON object, see tests/src/peers/python.rs.

Prints `READY <port>`, then for each handshake one JSON object: `version`, `suite`, `alpn`, or `error`.
"""

import json
import socket
import ssl
import sys
import threading


def main() -> None:
    config = json.loads(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    version = ssl.TLSVersion[config["version"]]
    context.minimum_version = context.maximum_version = version
    if config["ciphers"]:
        context.set_ciphers(config["ciphers"])
    context.load_cert_chain(config["chain"], config["key"])
    if config["alpn"]:
        context.set_alpn_protocols(config["alpn"])
    if config["root"]:
        context.load_verify_locations(config["root"])
        context.verify_mode = ssl.CERT_REQUIRED

    if not config["tickets"]:
        context.options |= ssl.OP_NO_TICKET

    listener = socket.create_server(("127.0.0.1", 0))
    print("READY", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(context, connection), daemon=True).start()


def serve(context: ssl.SSLContext, connection: socket.socket) -> None:
    connection.settimeout(20)
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            report(version=tls.version(), suite=tls.cipher()[0], alpn=tls.selected_alpn_protocol())
            while data := tls.recv(65536):
                tls.sendall(data)
            tls.unwrap()
    except OSError as error:
        report(error=str(error))


def report(**fields: str | None) -> None:
    print(json.dumps(fields), flush=True)


main()
