"""One message for the recipients of one domain, from server to server, until each has an answer (RFC 5321 §5.1).

A 5yz to a recipient is final, a 4yz leaves it to the next server.  A server that has the whole message and did not say
what it did with it may have delivered it: its recipients wait for the next run of the queue (RFC 5321 §4.2.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from twisted.logger import Logger

from twisted_mail.delivery.letter import Letter
from twisted_mail.interfaces import RemoteRefusal
from twisted_mail.protocols.destination import Destination, TLSUse
from twisted_mail.protocols.peererrors import PeerDeclined, PeerError, PeerLost, TLSFailed, Unreachable
from twisted_mail.protocols.smtpclient import SMTPClient
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.smtp.client_commands import Outgoing
from twisted_mail.smtp.client_events import Stage
from twisted_mail.smtp.client_offer import PeerOffer
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply, SMTPError

MAX_ADDRESSES = 10
"""Addresses that are tried in one attempt: dead ones cost half a minute each."""
MAX_SERVERS = 3
"""Servers that hear of the message in one attempt."""
MAX_RECIPIENTS = 100
"""Of one transaction, where the server does not say how many: each takes as many (RFC 5321 §4.5.3.1.8)."""

UNREADABLE = Reply(451, "3.0", "The message cannot be read from the disk here")


class Attempt:
    """`run` once; then `results` has all recipients."""

    log = Logger()

    def __init__(self, pool: ConnectionPool, letter: Letter, recipients: Iterable[Recipient]) -> None:
        self._pool = pool
        self._letter = letter
        self._left = dict.fromkeys(recipients)
        self._refusals: dict[Recipient, RemoteRefusal] = {}
        self._asked: set[str] = set()
        self.results: dict[Recipient, SMTPError | None] = {}
        """Recipient -> None, a server has it, or why none has."""
        self.reports_success: set[Recipient] = set()
        """Those whose server promised to report success itself (RFC 3461 §5.2.1)."""

    async def run(self, destinations: Sequence[Destination]) -> None:
        """Try *destinations*, at least one, in their order."""
        for destination in destinations[:MAX_ADDRESSES]:
            if not self._left or len(self._asked) >= MAX_SERVERS:
                break
            if destination.name not in self._asked:  # another address of a server that has spoken is no other server
                await self._try(destination.secured() if self._letter.options.require_tls else destination)
        for recipient in list(self._left):
            self._settle(recipient, self._refusals[recipient])

    async def _try(self, destination: Destination) -> None:
        again = True
        while again:
            try:
                client = await self._pool.take(destination)
            except PeerError as error:
                self._refuse_all(self._explained(error, destination))
                return
            again = await self._use(client)

    async def _use(self, client: SMTPClient) -> bool:
        """True: the connection was an old one that the server had given up; another one may do."""
        is_old = client.transactions > 0
        try:
            await self._converse(client)
        except PeerLost as error:
            client.abort()
            if is_old and not error.in_doubt:
                return True
            self._refuse_all(self._explained(error, client.destination, client.dialogue()))
        except SMTPError as error:
            self._pool.give_back(client)
            self._refuse_all(self._ours(error.reply, client))
        except OSError as error:
            client.abort()  # in the middle of the text: no final dot, no message
            self.log.error("the message cannot be read: {error}", id=self._letter.message.id, error=error)
            self._refuse_all(self._ours(UNREADABLE, client))
        except BaseException:
            client.abort()
            raise
        else:
            self._pool.give_back(client)
        self._asked.add(client.destination.name)
        return False

    async def _converse(self, client: SMTPClient) -> None:
        """As many transactions as the recipients need.  Raises what `send` raises."""
        letter = await self._letter.as_taken_by(client.offer, self._pool.options.blocking)
        waiting = list(self._left)
        most = min(MAX_RECIPIENTS, client.offer.max_recipients or MAX_RECIPIENTS)
        while waiting and client.is_usable:
            batch, waiting = waiting[:most], waiting[most:]
            waiting = await self._transact(client, letter, batch) + waiting
        # the server has hung up before the turn of these
        for recipient in waiting:
            self._refuse(recipient, self._ours(Reply(451, "4.2", "The server ended the connection"), client))

    async def _transact(self, client: SMTPClient, letter: Letter, batch: Sequence[Recipient]) -> list[Recipient]:
        """Those that the server wants in another transaction (452, RFC 5321 §4.5.3.1.10)."""
        outgoing = Outgoing(letter.sender, letter.options, tuple(batch), letter.content)
        try:
            replies = await client.send(outgoing, letter.message)
        except PeerLost as error:
            self._note(client, error.replies)
            if error.in_doubt:
                self._leave_in_doubt(client, [each for each in batch if each not in error.replies], error)
            raise
        self._note(client, replies)
        taken = any(reply.is_positive for reply in replies.values())
        return [each for each, reply in replies.items() if taken and reply.code == 452]

    # ---- answers

    def _note(self, client: SMTPClient, replies: Mapping[Recipient, Reply]) -> None:
        """What the server said of each recipient."""
        for recipient, reply in replies.items():
            if reply.is_positive:
                self._settle(recipient, None)
                self._note_relayed(recipient, client, reply)
                if self._takes_over(client.offer):
                    self.reports_success.add(recipient)
                continue
            was_asked = recipient.address.is_ascii or "SMTPUTF8" in client.offer
            refusal = RemoteRefusal(
                reply, host=client.destination.name, dialogue=client.dialogue(recipient), by_remote=was_asked
            )
            if reply.is_temporary:
                self._refuse(recipient, refusal)
            else:
                self._settle(recipient, refusal)

    def _takes_over(self, offer: PeerOffer) -> bool:
        """The server will say what becomes of it; but who wants to hear of each relay, or that nobody there watches the
        time any more, hears it from us (RFC 2852 §4)."""
        by = self._letter.options.deliver_by
        watched = by is None or (not by.trace and "DELIVERBY" in offer)
        return watched and "DSN" in offer

    def _leave_in_doubt(self, client: SMTPClient, recipients: Iterable[Recipient], error: PeerLost) -> None:
        for recipient in recipients:
            self._settle(recipient, self._explained(error, client.destination, client.dialogue(recipient)))

    def _refuse_all(self, refusal: RemoteRefusal) -> None:
        """Of all recipients that are left: this server does not take them."""
        for recipient in self._left:
            self._refuse(recipient, refusal)

    def _refuse(self, recipient: Recipient, refusal: RemoteRefusal) -> None:
        """Unless another server takes the recipient, the best reason counts: hope first, then what was really said."""
        known = self._refusals.get(recipient)
        if known is None or _rank(refusal) >= _rank(known):
            self._refusals[recipient] = refusal

    def _settle(self, recipient: Recipient, refusal: RemoteRefusal | None) -> None:
        """The last word on *recipient*."""
        self.results[recipient] = refusal
        self._left.pop(recipient, None)
        if refusal is not None:
            self.log.debug(
                "not delivered to {recipient} at {host}: {reply}",
                **self._about(recipient, refusal.reply),
                host=refusal.host or "no server",
            )

    def _note_relayed(self, recipient: Recipient, client: SMTPClient, reply: Reply) -> None:
        self.log.info(
            "delivered to {recipient} at {host}: {reply}",
            event="message.relayed",
            **self._about(recipient, reply),
            host=str(client),
            size=self._letter.message.size,
            policy=_policy_words(client),
        )

    def _about(self, recipient: Recipient, reply: Reply) -> dict[str, object]:
        words = " / ".join(str(reply).split("\n"))
        return {"id": self._letter.message.id, "recipient": recipient.address, "reply": words}

    # ---- words for what no server said

    def _ours(self, reply: Reply, client: SMTPClient) -> RemoteRefusal:
        return RemoteRefusal(reply, host=client.destination.name, dialogue=client.dialogue(), by_remote=False)

    def _explained(self, error: PeerError, destination: Destination, dialogue: str = "") -> RemoteRefusal:
        """RFC 3463 §3.5: 4.4.1 and 4.4.2 stand for servers that do not answer."""
        name, dialogue = destination.name, dialogue or error.dialogue
        match error:
            case PeerDeclined(stage=Stage.LOGIN, reply=reply):
                ours = Reply(451, "7.0", f"{name} does not let this server log in: {reply}")
            case PeerDeclined(reply=reply):
                return RemoteRefusal(reply, host=name, dialogue=dialogue)
            case TLSFailed() if self._letter.options.require_tls:
                ours = Reply(550, "7.10", f"The message asks for TLS all the way, and {name} does not have it: {error}")
            case TLSFailed():
                wanted = f", which {destination.policy} asks for" if destination.policy else ""
                ours = Reply(451, "7.5", f"No secure connection to {name}{wanted}: {error}")
            case Unreachable():
                ours = Reply(451, "4.1", f"{destination} does not answer: {error}")
            case PeerLost(in_doubt=True):
                ours = Reply(451, "4.2", f"{destination} did not say whether it has the message: {error}")
            case _:
                ours = Reply(451, "4.2", f"The connection to {destination} broke: {error}")
        return RemoteRefusal(ours, host=name, dialogue=dialogue, by_remote=False)


def _policy_words(client: SMTPClient) -> str:
    """Who wants TLS as it is, or as it is not."""
    policy = client.destination.policy
    is_tested = client.destination.tls is TLSUse.TESTED
    return f"{policy}, which it does not meet: {client.distrusted}" if is_tested and client.distrusted else policy


def _rank(refusal: RemoteRefusal) -> tuple[bool, bool]:
    return refusal.reply.is_temporary, refusal.by_remote
