"""Client over Python's ssl. Argument: a JSON object, see tests/src/peers/python.rs.

Sends `line`, or `count` numbered lines if that is more than 1, waits for as many bytes, and prints
one JSON object: `reply` (the line if all came back as it was sent) or `error`, `version`, `suite`,
`alpn`, `resumed`, and `close`: how the peer answered close_notify. With `connections` it does so as often, each time but
the first offering to resume, and tells of the last.
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
    if config["ciphers"]:
        context.set_ciphers(config["ciphers"])
    if config["root"]:
        context.load_verify_locations(config["root"])
    if config["chain"]:
        context.load_cert_chain(config["chain"], config["key"])
    if config["alpn"]:
        context.set_alpn_protocols(config["alpn"])

    if not config["tickets"]:
        context.options |= ssl.OP_NO_TICKET

    result, session = {}, None
    try:
        for _ in range(config["connections"]):
            session = exchange(context, config, result, session)
    except OSError as error:
        result["error"] = str(error)
    print(json.dumps(result), flush=True)
    sys.exit("error" in result)


def exchange(
    context: ssl.SSLContext, config: dict, result: dict, session: ssl.SSLSession | None
) -> ssl.SSLSession | None:
    line, count = config["line"], config["count"]
    lines = [f"{line} {number:07}\n" for number in range(count)] if count > 1 else [line + "\n"]
    data = "".join(lines).encode()
    connection = socket.create_connection((config["host"], config["port"]), timeout=15)
    with context.wrap_socket(connection, server_hostname=config["server_name"], session=session) as tls:
        result.update(version=tls.version(), suite=tls.cipher()[0], alpn=tls.selected_alpn_protocol())
        result.update(resumed=tls.session_reused)
        tls.sendall(data)
        reply = bytearray()
        while len(reply) < len(data):
            part = tls.recv(65536)
            if not part:
                raise ConnectionError(f"the connection was closed after {len(reply)} bytes")
            reply += part
        # A ticket of TLS 1.3 has come with the answer.
        session = tls.session
        result["reply"] = line if reply == data else reply.decode().rstrip("\n")
        try:
            tls.unwrap()
            result["close"] = "ok"
        except OSError as error:
            result["close"] = str(error)  # the peer may close the socket without its close_notify
    return session


main()
