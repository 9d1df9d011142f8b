"""Echo server over Python's ssl. Argument: a JSON object, see tests/src/peers/python.rs.

Prints `READY <port>`, then one line for each handshake: `ok <version> <suite>` or `failed <error>`.
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
    context.load_cert_chain(config["chain"], config["key"])
    if config["alpn"]:
        context.set_alpn_protocols(config["alpn"])
    if config["root"]:
        context.load_verify_locations(config["root"])
        context.verify_mode = ssl.CERT_REQUIRED

    listener = socket.create_server(("127.0.0.1", 0))
    print("READY", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(context, connection), daemon=True).start()


def serve(context: ssl.SSLContext, connection: socket.socket) -> None:
    connection.settimeout(20)
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            print("ok", tls.version(), tls.cipher()[0], flush=True)
            while data := tls.recv(65536):
                tls.sendall(data)
            tls.unwrap()
    except OSError as error:
        print("failed", error, flush=True)


main()
