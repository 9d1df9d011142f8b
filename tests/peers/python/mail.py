"""A server of mail that takes one message, after STARTTLS alone, and prints it. CHAIN KEY"""

import asyncio
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Mail:
    def __init__(self):
        self.done = asyncio.Event()

    async def handle_DATA(self, server, session, envelope):
        how = "TLS" if session.ssl else "plain text"
        print("from", envelope.mail_from, "to", *envelope.rcpt_tos, "with", how)
        sys.stdout.write(envelope.content.decode())
        return "250 taken"

    async def handle_QUIT(self, server, session, envelope):
        self.done.set()
        return "221 bye"


async def main(chain, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    mail = Mail()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mail, tls_context=context, require_starttls=True), "127.0.0.1", 0
    )
    print("listens at", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.wait_for(mail.done.wait(), 20)


asyncio.run(main(*sys.argv[1:]))
