"""A client of WebSockets: says words to a server that sends them back. URL ROOT WORD..."""

import asyncio
import ssl
import sys

import websockets


async def main(url, root, *words):
    context = ssl.create_default_context(cafile=root)
    async with websockets.connect(url, ssl=context, open_timeout=15) as socket:
        transport = socket.transport.get_extra_info("ssl_object")
        print(transport.version(), transport.selected_alpn_protocol())
        for word in words:
            await socket.send(word)
            print(await asyncio.wait_for(socket.recv(), 15))
        # Longer than a record, and no text.
        large = bytes(range(256)) * 300
        await socket.send(large)
        assert await asyncio.wait_for(socket.recv(), 15) == large
    print("closed", socket.close_code)


asyncio.run(main(*sys.argv[1:]))
