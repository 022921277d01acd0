"""A mail server (aiosmtpd) that keeps what it takes, and answers as it is told."""

import email
import email.policy
import socket
import ssl
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Mails(Controller):
    """Keeps `mails` as parsed messages and `commands` as (verb, argument). `answers[verb]` are the next answers to a verb
    (MAIL, RCPT, DATA); after the last one it takes everything. `files` are of its certificate: for STARTTLS, or from the
    first byte with `begins_in_tls`. With a `login`, a pair of bytes, nobody else may send."""

    def __init__(self, files=None, begins_in_tls=False, login=None, **answers):
        self.mails, self.commands, self.answers = [], [], answers
        context = None
        if files:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*files)
        tls = {"ssl_context": context} if begins_in_tls else {"tls_context": context, "require_starttls": bool(files)}
        if login:
            tls |= {"auth_required": True, "auth_require_tls": False, "authenticator": self._judge}
        self.login = login
        # It warns of passwords in the clear, which is what some tests are about.
        warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
        super().__init__(self, hostname="127.0.0.1", port=0, **tls)

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        socket.create_connection((self.hostname, self.port), 10).close()

    def _judge(self, server, session, envelope, mechanism, data):
        self.commands.append(("AUTH", mechanism))
        return AuthResult(success=(data.login, data.password) == self.login, handled=False)

    def _answer(self, verb, argument, otherwise):
        self.commands.append((verb, argument))
        answers = self.answers.get(verb)
        return answers.pop(0) if answers else otherwise

    async def handle_MAIL(self, server, session, envelope, address, options):
        answer = self._answer("MAIL", address, "250 ok")
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self._answer("RCPT", address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        answer = self._answer("DATA", envelope.rcpt_tos[0], "250 queued")
        if answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return answer

    def count(self, verb):
        return sum(one == verb for one, _ in list(self.commands))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
