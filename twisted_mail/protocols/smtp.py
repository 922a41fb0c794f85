"""The SMTP server on a Twisted transport: also submission and LMTP, which are options of its session.

`SMTPServer.converse` is the whole dispatch.  What may be done is decided by the avatar, an `IDeliveryTarget`: that of
an anonymous client until AUTH gives another.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from twisted.cred.credentials import Anonymous
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred, DeferredLock

from twisted_mail.content import Message, MessageBuilder, disk_refusal
from twisted_mail.interfaces import (
    AccountDisabled,
    HangUp,
    IDelivery,
    IDeliveryTarget,
    IInquiries,
    IListOwner,
    LoginUnavailable,
    NoSuchUser,
)
from twisted_mail.message.header import message_id_of
from twisted_mail.message.recoding import CannotRecode, textual
from twisted_mail.networks import NOBODY, Networks
from twisted_mail.protocols.connection import Connection, Farewell, Listener
from twisted_mail.protocols.login import answer_inquiry, log_in, login_of
from twisted_mail.sasl import Credentials, Inquiry
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.command import NEEDS_SMTPUTF8_TO_SHOW, NOT_SHOWN
from twisted_mail.smtp.envelope import Body, MailOptions, Recipient
from twisted_mail.smtp.events import (
    Authenticate,
    Closed,
    DataChunk,
    EndOfData,
    Expand,
    Hello,
    Inquire,
    Introduced,
    MailFrom,
    RcptTo,
    Refused,
    Reset,
    StartTLS,
    Wait,
)
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.smtp.server import ServerSession, SessionOptions

SENDER_OK = Reply(250, "1.0", "Sender ok")
RECIPIENT_OK = Reply(250, "1.5", "Recipient ok")
OUR_FAULT = Reply(451, "3.0", "Something went wrong here, the administrator can see it in the log; try again later")
NO_BINARY = "The message is binary and cannot be made text here, send it encoded"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class SMTPService:
    """What all connections of one SMTP, submission or LMTP listener share."""

    options: SessionOptions
    portal: Portal
    inquiries: IInquiries
    new_message: Callable[[], MessageBuilder]
    xclient: Networks = NOBODY
    """Proxies that may say for whom they speak."""
    recoding: DeferredLock = field(default_factory=DeferredLock)


class SMTPServer(Connection):
    """One client that sends mail."""

    def __init__(self, service: SMTPService, listener: Listener, gone: Callable[[Connection], None]) -> None:
        super().__init__(listener, gone, "LMTP" if service.options.lmtp else "SMTP")
        self._service = service
        self._session: ServerSession = self._new_session(service.options)
        self._target: IDeliveryTarget | None = None
        self._log_out: Callable[[], None] | None = None
        self._delivery: IDelivery | None = None
        self._sender: Address | None = None
        self._recipients: list[Recipient] = []
        self._builder: MessageBuilder | None = None
        self._is_binary = False
        """The octets of the message are no lines (RFC 3030 §3)."""

    def connectionMade(self) -> None:
        if self._service.xclient and getattr(self._transport.getPeer(), "host", "") in self._service.xclient:
            options = replace(self._service.options, xclient=True)
            self._session = self._new_session(options)
        super().connectionMade()

    def _new_session(self, options: SessionOptions) -> ServerSession:
        now = datetime.fromtimestamp(self._listener.clock.seconds(), UTC) if options.max_hold else None
        return ServerSession(options, tls=self._listener.tls_at_once, now=now)

    async def converse(self) -> None:
        session = self._session
        while True:
            match event := session.next_event():
                case Wait():
                    await self.more_data()
                case DataChunk(data):
                    if self._message.write(data):
                        await self._message.drain()
                case EndOfData():
                    session.answer(*await self._deliver())
                case RcptTo(recipient):
                    session.answer(await self._answering(self._rcpt(recipient), "RCPT", recipient=recipient.address))
                case MailFrom(sender, options):
                    session.answer(await self._answering(self._mail(sender, options), "MAIL", sender=sender))
                case Expand(alias, smtputf8):
                    session.answer(await self._answering(self._expand(alias, smtputf8), "EXPN"))
                case Hello(name, extended):
                    self.tls_established()
                    self.origin = self.origin.after_hello(name, extended=extended)
                case Reset():
                    self._reset()
                case Inquire(inquiry):
                    if refusal := await self._answering(self._inform(inquiry), "AUTH"):
                        session.answer(refusal)
                case Authenticate(credentials):
                    answering = self._answering(self._authenticate(credentials), "AUTH", user=credentials.user)
                    session.answer(await answering)
                case Introduced():
                    self._introduce(event)
                case StartTLS():
                    self._forget_client()
                    await self.start_tls()
                case Refused(command, reply):
                    self.note("refused {peer} {command}: {reply}", "command.refused", command=command, reply=reply)
                    self.keep_dialogue(reply)
                case Closed():
                    return

    # ---- a question each; success is the Reply returned, refusal an SMTPError

    async def _inform(self, inquiry: Inquiry) -> None:
        handle = self._transport.getHandle()
        try:
            answer = await answer_inquiry(self._service.inquiries, inquiry, self.origin, handle)
        except LoginUnavailable as error:
            raise SMTPError(_login_refusal(error)) from error
        self._session.inform(answer)

    async def _authenticate(self, credentials: Credentials) -> Reply:
        self.tls_established()
        login = login_of(credentials, self.origin)
        try:
            target, log_out = await log_in(self._service.portal, login, self.origin, IDeliveryTarget)
        except (UnauthorizedLogin, LoginUnavailable) as error:
            raise SMTPError(_login_refusal(error)) from error
        self._end_login()
        self._target, self._log_out = target, log_out
        self.origin = replace(self.origin, user=credentials.user)
        self.note("login {user} from {peer}", "login.accepted", by=login.secret, tls=self._tls_version)
        return Reply(235, "7.0", "Welcome")

    async def _mail(self, sender: Address | None, options: MailOptions) -> Reply:
        target = self._target
        if target is None:
            stranger = await log_in(self._service.portal, Anonymous(), self.origin, IDeliveryTarget)
            target, self._log_out = stranger
            self._target = target
        self._is_binary = options.body is Body.BINARY_MIME
        if self._is_binary:  # it is text once it is here
            options = replace(options, body=Body.EIGHT_BIT_MIME)
        self._delivery = await target.begin(self.origin, sender, options)
        self._sender = sender
        return SENDER_OK

    async def _rcpt(self, recipient: Recipient) -> Reply:
        assert self._delivery is not None
        await self._delivery.add_recipient(recipient)
        self._recipients.append(recipient)
        return RECIPIENT_OK

    async def _expand(self, alias: Address, smtputf8: bool) -> Reply:
        target = self._target
        if not IListOwner.providedBy(target):
            raise SMTPError(NOT_SHOWN)
        try:
            members = await target.members(alias)
        except NoSuchUser:
            raise SMTPError(NOT_SHOWN) from None
        if not (smtputf8 or all(member.is_ascii for member in members)):
            raise SMTPError(NEEDS_SMTPUTF8_TO_SHOW)
        self.note("{user} is shown the list {alias}", "list.shown", alias=alias)
        return Reply(250, "1.5", "\n".join(f"<{member}>" for member in members))

    async def _end_of_data(self) -> Sequence[Reply]:
        """One answer, in LMTP one a recipient, in order (RFC 2033 §4.2)."""
        assert self._delivery is not None
        since = self._listener.clock.seconds()
        try:
            message = await (self._as_text() if self._is_binary else self._message.finish())
        except CannotRecode as error:
            raise SMTPError.of(554, "6.3", f"{NO_BINARY}: {error}") from error
        except OSError as error:
            raise disk_refusal(error) from error
        try:
            refusals = await self._delivery.deliver(message)
        except SMTPError as error:  # so that the log tells of what was refused, with the message's id
            refusals = dict.fromkeys(self._recipients, error)
        else:
            self._delivery = None  # delivered: nothing to abort
        self._note_message(message, refusals, since)
        return self._answers(refusals, Reply(250, "0.0", f"Stored as {message.id}"))

    def _answers(self, refusals: Mapping[Recipient, SMTPError | None], taken: Reply) -> Sequence[Reply]:
        """One for all is the first refusal, if there is one: a target takes a message whole or not."""
        assert refusals
        first = next(filter(None, refusals.values()), None)
        is_lmtp = self._service.options.lmtp
        answers = [refusals.get(recipient, first) for recipient in self._recipients] if is_lmtp else [first]
        return [taken if refusal is None else refusal.reply for refusal in answers]

    async def _as_text(self) -> Message:
        """Of BINARYMIME; one at a time, because the whole message is in memory.  Raises CannotRecode, OSError."""
        message = self._message
        return await self._service.recoding.run(lambda: Deferred.fromCoroutine(message.finish_as(textual)))

    # ---- around the questions

    async def _answering(self, question: Coroutine[Any, Any, R], stage: str, **about: object) -> R | Reply:
        """The reply to the client, whatever comes of *question*; *about* is for the log, should it be a refusal."""
        try:
            return await question
        except SMTPError as error:
            self._note_refusal(stage, error, **about)
            return error.reply
        except CancelledError:
            raise
        except HangUp as order:
            self.note("cut {peer} off at {stage}: {order!s}", "connection.cut", stage=stage, order=order)
            self.abort()
            raise CancelledError from order
        except Exception:  # noqa: BLE001 (our bug: the client gets a temporary failure without its text)
            self.log.failure("our fault", session=self.origin.session)
            self.keep_dialogue("our fault")
            return OUR_FAULT

    async def _deliver(self) -> Sequence[Reply]:
        """The answers to the end of data."""
        count = len(self._recipients) if self._service.options.lmtp else 1
        answers = await self._answering(self._end_of_data(), "DATA")
        self._reset()
        return [answers] * count if isinstance(answers, Reply) else answers

    @property
    def _message(self) -> MessageBuilder:
        """The message that is being received, from its first octet on."""
        if self._builder is None:
            self._builder = self._service.new_message()
        return self._builder

    def _reset(self) -> None:
        """The transaction is over; what was not delivered leaves no trace."""
        delivery, self._delivery = self._delivery, None
        self._builder = None
        self._recipients = []
        if delivery is not None:
            delivery.abort()

    def _forget_client(self) -> None:
        """Back to a stranger (RFC 3207 §4.2)."""
        self.cleanup()
        self._target = None
        self.origin = replace(self.origin, hello="", extended=False, user="")

    def _introduce(self, client: Introduced) -> None:
        """A proxy speaks for somebody else from now on."""
        self._forget_client()
        self.note("{peer} speaks for {client}", "client.introduced", client=client.address or "somebody")
        if refusal := self.change_peer(client.address) if client.address else None:
            self.say_goodbye(Farewell.OVERLOAD, refusal)
            raise CancelledError
        self.origin = replace(self.origin, hello=client.hello, extended=client.extended, early=False)

    def _end_login(self) -> None:
        if self._log_out is not None:
            self._log_out()
            self._log_out = None

    def _note_message(self, message: Message, refusals: Mapping[Recipient, SMTPError | None], since: float) -> None:
        """*since*: when the end of data came."""
        taken = [str(recipient.address) for recipient, error in refusals.items() if error is None]
        refused = [str(recipient.address) for recipient, error in refusals.items() if error is not None]
        about: dict[str, Any] = {"id": message.id, "message_id": message_id_of(message.header)}
        if taken:
            self.note(
                "message from <{sender}> for {count}, {size} octets",
                "message.accepted",
                sender=self._sender or "",
                recipients=taken,
                count=len(taken),
                size=message.size,
                hello=self.origin.hello,
                tls=self._tls_version,
                seconds=round(self._listener.clock.seconds() - since, 4),
                **about,
            )
        if refused:
            error = next(error for error in refusals.values() if error is not None)
            self._note_refusal("DATA", error, recipients=refused, **about)

    def _note_refusal(self, stage: str, error: SMTPError, **about: Any) -> None:
        """*stage*: the command that was answered so; DATA for the whole message."""
        about |= {"stage": stage, "reply": str(error.reply), "cause": error.__cause__, "hello": self.origin.hello}
        if stage in ("RCPT", "DATA"):
            about["sender"] = self._sender
        event = "login.refused" if stage == "AUTH" else "message.refused"
        self.note("refused {peer} {stage}: {reply}", event, **about)
        if stage in ("AUTH", "DATA") or not error.reply.is_temporary:
            self.keep_dialogue(str(error.reply))

    @property
    def _tls_version(self) -> str:
        return self.origin.tls.version if self.origin.tls is not None else ""

    # ---- what Connection asks for

    @property
    def in_message(self) -> bool:
        # from MAIL on: after 354 the text may be on its way though no octet of it is here
        return self._session.in_transaction

    def farewell(self, why: Farewell, text: str) -> None:
        self._session.close(_FAREWELLS[why](text), why.value)

    def cleanup(self) -> None:
        self._reset()
        self._end_login()


_FAREWELLS: dict[Farewell, Callable[[str], Reply]] = {
    Farewell.IDLE: lambda text: Reply(421, "4.2", text),
    Farewell.SHUTDOWN: lambda text: Reply(421, "3.2", text),
    Farewell.OVERLOAD: lambda text: Reply(421, "7.0", text),
    Farewell.EARLY: lambda text: Reply(554, "5.0", text),
}


def _login_refusal(error: Exception) -> Reply:
    match error:
        case AccountDisabled():
            return Reply(535, "7.13", "This account is switched off, ask the administrator")
        case UnauthorizedLogin():
            return Reply(535, "7.8", "The user name or the password is wrong")
        case _:
            return Reply(454, "7.0", "The password cannot be checked just now, try again later")
