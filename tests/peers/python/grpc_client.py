"""A client of gRPC that asks how a server is, in messages as bytes, over TLS. PORT ROOT [CHAIN KEY]"""

import sys

import grpc

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"


def main(port, root, *identity):
    chain, key = (open(file, "rb").read() for file in identity) if identity else (None, None)
    # The key stands before the chain here.
    credentials = grpc.ssl_channel_credentials(open(root, "rb").read(), key, chain)
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        try:
            print("check", channel.unary_unary(CHECK)(b"", timeout=15).hex())
            # Answers that go on until this side has had enough.
            watched = channel.unary_stream(WATCH)(b"", timeout=15)
            print("watch", next(watched).hex())
            watched.cancel()
            # Of a service whose name has 100,000 letters.
            channel.unary_unary(CHECK)(b"\x0a\xa0\x8d\x06" + b"x" * 100_000, timeout=15)
        except grpc.RpcError as error:
            print(error.code().name, error.details())


main(*sys.argv[1:])
