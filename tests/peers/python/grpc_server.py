"""A server of gRPC that says it is well to whom it knows by a certificate, and who that is. CHAIN KEY ROOT

Ends with its standard input."""

import sys
from concurrent import futures

import grpc

SERVING = b"\x08\x01"


def check(request, context):
    names = b" ".join(context.peer_identities() or []).decode()
    context.set_trailing_metadata((("client", names), ("size", str(len(request)))))
    return SERVING


def watch(request, context):
    for _ in range(3):
        yield SERVING


def main(chain, key, root):
    chain, key, root = (open(file, "rb").read() for file in (chain, key, root))
    credentials = grpc.ssl_server_credentials([(key, chain)], root, require_client_auth=True)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(check),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
    }
    health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)
    server.add_generic_rpc_handlers([health])
    print("listens at", server.add_secure_port("127.0.0.1:0", credentials), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None).wait()


main(*sys.argv[1:])
