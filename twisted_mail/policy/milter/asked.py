"""A milter as a filter of this server: a connection for each message, on which it is told all and may change all."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from twisted_mail.content import Blocking, Message, MessageBuilder, disk_refusal
from twisted_mail.filecontents import SpilledBody
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.policy.filters.contract import FilterFailed, Inspection, Mail, in_time
from twisted_mail.policy.milter import codec
from twisted_mail.policy.milter.codec import Answer, MilterError, Question, Refusal, Step, Verdict
from twisted_mail.policy.milter.headeredit import HeaderEdit
from twisted_mail.policy.milter.session import MilterSession
from twisted_mail.protocols.stream import Stream
from twisted_mail.smtp.address import Address, AddressError, parse_address
from twisted_mail.smtp.envelope import Body, MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import SMTPError

MAX_ANSWERS = 10_000
"""Changes to one message, and signs of being at work."""

Macros = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MilterOptions:
    connect: Callable[[], Awaitable[Stream]]
    hostname: str
    seconds: float
    """For each answer, and each sign of being at work."""
    max_body: int
    """Octets of a new body, with CRLF line ends."""
    new_body: Callable[[], MessageBuilder]
    disk: Blocking
    clock: IReactorTime


class Milter:
    """One of the configuration."""

    def __init__(self, options: MilterOptions) -> None:
        self._options = options

    async def begin(self, origin: Origin, sender: Address | None, options: MailOptions) -> Inspection:
        conversation = _Conversation(self._options)
        try:
            await conversation.open(origin, sender, options)
        except BaseException:
            conversation.abort()
            raise
        return conversation


class _Conversation:
    def __init__(self, options: MilterOptions) -> None:
        self._options = options
        self._session = MilterSession()
        self._stream: Stream | None = None
        """None: there is nothing more to say."""
        self._discarded = False
        self._answers = 0

    async def open(self, origin: Origin, sender: Address | None, options: MailOptions) -> None:
        """Raises SMTPError or FilterFailed."""
        try:
            self._stream = await in_time(self._options.seconds, self._connected(), self._options.clock)
        except (FilterFailed, CancelledError):
            raise
        except Exception as error:  # an endpoint fails by whatever its kind raises
            raise FilterFailed(f"it cannot be reached ({error})") from error
        self._session.negotiate()
        await self._send()
        await self._next_answer()
        await self._ask(codec.CONNECT, _client(origin), self._of_connection(origin))
        await self._ask(codec.HELO, codec.strings((origin.hello or "unknown").encode()), _of_tls(origin))
        await self._ask(codec.MAIL, codec.strings(_path(sender), *_parameters(options)), _of_sender(origin, sender))

    async def recipient(self, recipient: Recipient) -> None:
        address = str(recipient.address)
        macros = [("{rcpt_addr}", address), ("{rcpt_host}", recipient.address.domain), ("{rcpt_mailer}", "local")]
        await self._ask(codec.RCPT, codec.strings(_path(recipient.address)), macros)

    async def message(self, mail: Mail) -> Mail:
        try:
            if await self._tell(mail.message):
                mail = await self._changed(mail, HeaderEdit(mail.message.header, leading_space=self._spaced))
            return replace(mail, recipients=()) if self._discarded else mail
        except OSError as error:
            raise disk_refusal(error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._session.quit()
            stream.close(self._session.data_to_send())

    # ---- the message and what it becomes

    @property
    def _spaced(self) -> bool:
        return bool(self._session.agreed.steps & Step.LEADING_SPACE)

    async def _tell(self, message: Message) -> bool:
        """All of it.  False: the filter did not want to hear the end."""
        identity = [("i", message.id)]
        await self._ask(codec.DATA, macros=identity)
        for name, value in HeaderEdit(message.header, leading_space=self._spaced).fields():
            await self._ask(codec.HEADER, codec.strings(name, value))
        await self._ask(codec.END_OF_HEADER, macros=identity)
        if self._stream is not None and not self._session.agreed.steps & Step.NO_BODY:
            async for chunk in self._chunks(message):
                if await self._ask(codec.BODY, chunk) is Verdict.SKIP or self._stream is None:
                    break
        if self._stream is None:
            return False
        self._session.ask(codec.END_OF_MESSAGE, macros=identity)
        await self._send()
        return True

    async def _chunks(self, message: Message) -> AsyncIterator[bytes]:
        """The body with CRLF line ends."""
        async for piece in self._pieces(message.body):
            text = piece.replace(b"\n", b"\r\n")
            for start in range(0, len(text), codec.BODY_CHUNK):
                yield text[start : start + codec.BODY_CHUNK]

    async def _pieces(self, body: bytes | SpilledBody) -> AsyncIterator[bytes]:
        if isinstance(body, bytes):
            yield body
            return
        pieces = body.pieces()
        while piece := await self._options.disk(lambda: next(pieces, b"")):
            assert isinstance(piece, bytes)
            yield piece

    async def _changed(self, mail: Mail, header: HeaderEdit) -> Mail:
        """What the filter makes of it, up to its verdict."""
        envelope, body = mail, _NewBody(self._options)
        while not isinstance(answer := await self._next_answer(), Verdict) or answer is Verdict.PROGRESS:
            if isinstance(answer, codec.ReplaceBody):
                await body.write(answer.chunk)
            elif not isinstance(answer, Verdict):
                envelope = _with(envelope, header, answer)
        self._discarded = answer is Verdict.DISCARD
        if (replaced := await body.finish()) is not None:
            message = replace(replaced, id=mail.message.id, evidence=envelope.message.evidence)
            return replace(envelope, message=message.with_header(header.encode()))
        if header.is_changed:
            return replace(envelope, message=envelope.message.with_header(header.encode()))
        return envelope

    # ---- one question

    async def _ask(self, question: Question, payload: bytes = b"", macros: Macros = ()) -> Verdict | None:
        """Raises SMTPError: it is refused."""
        if self._stream is None:
            return None
        owed = self._session.ask(question, payload, macros)
        await self._send()
        while owed:
            answer = await self._next_answer()
            if isinstance(answer, Verdict) and answer is not Verdict.PROGRESS:
                if answer in (Verdict.ACCEPT, Verdict.DISCARD):
                    self._discarded = answer is Verdict.DISCARD
                    self.abort()
                return answer
        return None

    async def _send(self) -> None:
        assert self._stream is not None
        try:
            sending = self._stream.write(self._session.data_to_send())
            await in_time(self._options.seconds, sending, self._options.clock)
        except ConnectionError as error:
            raise FilterFailed("it closed the connection") from error

    async def _next_answer(self) -> Answer:
        self._answers += 1
        if self._answers > MAX_ANSWERS:
            raise FilterFailed("there is no end of its answers")
        try:
            answer = await in_time(self._options.seconds, self._read_answer(), self._options.clock)
        except MilterError as error:
            raise FilterFailed(str(error)) from error
        if isinstance(answer, Refusal):
            raise SMTPError(answer.reply)
        return answer

    async def _read_answer(self) -> Answer:
        while (answer := self._session.next_answer()) is None:
            assert self._stream is not None
            octets = await self._stream.read()
            if not octets:
                raise FilterFailed("it closed the connection")
            self._session.receive_data(octets)
        return answer

    async def _connected(self) -> Stream:
        return await self._options.connect()

    def _of_connection(self, origin: Origin) -> Macros:
        macros = [("j", self._options.hostname), ("{daemon_name}", "submission" if origin.user else "smtp")]
        return [
            *macros,
            ("{client_addr}", origin.peer),
            ("{client_name}", f"[{origin.peer}]"),
            ("_", f"[{origin.peer}]"),
        ]


class _NewBody:
    """What takes the place of the body, if anything does; with CRLF line ends where it comes from."""

    def __init__(self, options: MilterOptions) -> None:
        self._options = options
        self._builder: MessageBuilder | None = None
        self._size = 0
        self._held = b""
        """A CR that may be half a line end."""

    async def write(self, chunk: bytes) -> None:
        """Raises FilterFailed: it is too much."""
        if self._builder is None:
            self._builder = self._options.new_body()
            self._builder.write(b"\n")  # the end of a header: what comes is body, whatever it looks like
        self._size += len(chunk)
        if self._size > self._options.max_body:
            raise FilterFailed("its new body is larger than a message may be")
        text = self._held + chunk
        self._held = text[-1:] if text.endswith(b"\r") else b""
        if self._builder.write(text[: len(text) - len(self._held)].replace(b"\r\n", b"\n")):
            await self._builder.drain()

    async def finish(self) -> Message | None:
        """Under an empty header.  None: nothing was written.  Raises OSError."""
        return None if self._builder is None else await self._builder.finish()


def _with(mail: Mail, header: HeaderEdit, answer: Answer) -> Mail:
    """*mail* with another envelope, or the same where *header* is changed.  Raises FilterFailed."""
    match answer:
        case codec.AddHeader(name, value):
            header.add(name, value)
        case codec.InsertHeader(index, name, value):
            header.insert(max(index - 1, 0), name, value)
        case codec.ChangeHeader(index, name, value):
            header.change(index, name, value)
        case codec.Quarantine(reason):
            header.insert(0, b"X-Quarantine", reason.encode())
            return replace(mail, message=mail.message.with_evidence(Evidence(ENOUGH, f"a filter says: {reason}")))
        case codec.ChangeSender(address):
            return replace(mail, sender=_parsed(address) if address else None)
        case codec.AddRecipient(address):
            added = Recipient(_parsed(address))
            known = [each.address for each in mail.recipients]
            return mail if added.address in known else replace(mail, recipients=(*mail.recipients, added))
        case codec.DeleteRecipient(address):
            gone = _parsed(address)
            return replace(mail, recipients=tuple(each for each in mail.recipients if each.address != gone))
    return mail


def _parsed(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressError as error:
        raise FilterFailed("it names what is no address") from error


def _path(address: Address | None) -> bytes:
    return f"<{address or ''}>".encode()


def _client(origin: Origin) -> bytes:
    """Name, family, port and address; that of a local program is not known."""
    name = codec.strings(f"[{origin.peer}]".encode() if origin.peer else b"localhost")
    if not origin.peer:
        return name + b"U"
    family = b"6" if ":" in origin.peer else b"4"
    return name + family + struct.pack(">H", 0) + codec.strings(origin.peer.encode())


def _parameters(options: MailOptions) -> list[bytes]:
    """Those of MAIL that a filter may want to know."""
    size = [] if options.size is None else [f"SIZE={options.size}".encode()]
    body = [] if options.body is Body.SEVEN_BIT else [f"BODY={options.body.value}".encode()]
    return size + body + [b"SMTPUTF8"] * options.smtputf8


def _of_tls(origin: Origin) -> Macros:
    return [] if origin.tls is None else [("{tls_version}", origin.tls.version), ("{cipher}", origin.tls.cipher)]


def _of_sender(origin: Origin, sender: Address | None) -> Macros:
    macros = [("{mail_addr}", str(sender or "<>")), ("{mail_host}", sender.domain if sender else "")]
    login = [("{auth_authen}", origin.user), ("{auth_type}", "PLAIN")] if origin.user else []
    return [*macros, ("{mail_mailer}", "smtp"), *login]
