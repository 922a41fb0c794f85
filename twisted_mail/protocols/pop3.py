"""The POP3 server on a Twisted transport.  `POP3Server.converse` is the whole dispatch.

The avatar is an `IMaildrop`; once logged in, the session answers most commands from its listing and from the messages
that it has at hand; only QUIT, and RETR and TOP of others, come here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError
from twisted.logger import LogLevel

from twisted_mail.interfaces import (
    AccountDisabled,
    DeletionFailed,
    IInquiries,
    IMaildrop,
    IMessageReader,
    LoginTooSoon,
    LoginUnavailable,
    MaildropLocked,
    MessageGone,
    MessageUnreadable,
    NoSuchFolder,
    NoSuchView,
)
from twisted_mail.pop3.events import Authenticate, Backlog, Closed, Inquire, Refused, Retrieve, StartTLS, Update, Wait
from twisted_mail.pop3.server import ServerSession, SessionOptions
from twisted_mail.pop3.terms import TermsRange
from twisted_mail.protocols.connection import Connection, Farewell, Listener
from twisted_mail.protocols.login import answer_inquiry, log_in, login_of
from twisted_mail.protocols.retrievals import Retrievals
from twisted_mail.sasl import Credentials, Inquiry

MAX_PENDING = 64 * 1024
"""Octets of a message in pieces that wait to be sent: a slow reader costs as many."""
UIDS_A_LINE = 100
"""Deleted messages that one line of the log names."""


@dataclass(frozen=True, slots=True)
class POP3Service:
    """What all connections of one POP3 listener share."""

    options: SessionOptions
    portal: Portal
    inquiries: IInquiries
    terms: Callable[[], TermsRange] = TermsRange
    """What CAPA says before the login."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """-ERR, with its response code (RFC 2449 §8, RFC 3206) and words for a person: mail clients show them."""

    code: str
    text: str


# The first row whose exception fits.
_REFUSALS: tuple[tuple[type[Exception], _Refusal], ...] = (
    (AccountDisabled, _Refusal("AUTH", "This account is switched off, ask the administrator")),
    (
        NoSuchView,
        _Refusal(
            "AUTH", "A view's name has up to 32 letters, digits, dots and dashes; an account has at most 20 views"
        ),
    ),
    (NoSuchFolder, _Refusal("AUTH", "This mailbox has no folder of that name; capital and small letters differ")),
    (UnauthorizedLogin, _Refusal("AUTH", "The user name or the password is wrong")),
    (LoginUnavailable, _Refusal("SYS/TEMP", "The password cannot be checked just now, try again later")),
    (MaildropLocked, _Refusal("IN-USE", "Another program is fetching this mail, try again in a minute")),
    (
        LoginTooSoon,
        _Refusal("LOGIN-DELAY", "You fetched this mail only a moment ago; let your mail program look less often"),
    ),
    (MessageGone, _Refusal("", "Another program has removed this message since you logged in")),
    (MessageUnreadable, _Refusal("SYS/PERM", "This message cannot be read on the server, tell the administrator")),
    (DeletionFailed, _Refusal("SYS/TEMP", "Some deleted messages not removed")),
    (OSError, _Refusal("SYS/TEMP", "The disk of the server is in trouble, try again later")),
)
_OUR_FAULT = _Refusal("SYS/TEMP", "Something went wrong on the server, try again later")


class POP3Server(Connection):
    """One client that fetches mail."""

    def __init__(self, service: POP3Service, listener: Listener, gone: Callable[[Connection], None]) -> None:
        super().__init__(listener, gone, "POP3")
        self._service = service
        self._session: ServerSession = ServerSession(service.options, tls=listener.tls_at_once, terms=service.terms())
        self._maildrop: IMaildrop | None = None
        self._log_out: Callable[[], None] | None = None
        self._sent = Retrievals(self._note_retrieval, listener.clock)

    async def converse(self) -> None:
        session = self._session
        while True:
            match session.next_event():
                case Wait.NEED_DATA:
                    self._note_sent()
                    await self.more_data()
                case Retrieve(index):
                    await self._retrieve(index)
                case Authenticate(credentials):
                    await self._authenticate(credentials)
                case Inquire(inquiry):
                    await self._inquire(inquiry)
                case Backlog():
                    self._note_sent()
                    await self.flush()
                case Update(deleted):
                    await self._update(deleted)
                case StartTLS():
                    await self.start_tls()
                case Refused(command, reply):
                    self.note("refused {peer} {command}: {reply}", "command.refused", command=command, reply=reply)
                    self.keep_dialogue(reply)
                case Closed():
                    return

    async def _inquire(self, inquiry: Inquiry) -> None:
        try:
            answer = await answer_inquiry(self._service.inquiries, inquiry, self.origin, self._transport.getHandle())
        except Exception as error:  # noqa: BLE001 (each is answered; what is not in the table is our bug)
            self._refuse(error)
            return
        self._session.inform(answer)

    async def _authenticate(self, credentials: Credentials) -> None:
        self.tls_established()
        self.origin = replace(self.origin, user=credentials.user)
        login = login_of(credentials, self.origin)
        try:
            maildrop, self._log_out = await log_in(self._service.portal, login, self.origin, IMaildrop)
        except Exception as error:  # noqa: BLE001 (as above)
            self._refuse(error)
            return
        self._maildrop = maildrop
        self._sent.listing = maildrop.listing
        self._session.logged_in(maildrop.listing, maildrop.terms, maildrop.at_hand)
        self.note(
            "POP3 login {user} from {peer}, {count} messages",
            "login.accepted",
            count=len(maildrop.listing),
            by=login.secret,
            tls=self.origin.tls.version if self.origin.tls is not None else "",
        )

    async def _retrieve(self, index: int) -> None:
        assert self._maildrop is not None
        try:
            reader = await self._maildrop.open(index)
        except Exception as error:  # noqa: BLE001 (as above)
            self._refuse(error)
            return
        try:
            await self._send_message(reader)
        finally:
            reader.close()

    async def _send_message(self, reader: IMessageReader) -> None:
        """Once it has begun there is no way to say that reading failed: the connection is cut then."""
        session = self._session
        try:
            piece = await reader.read()
        except MessageUnreadable as error:
            self._refuse(error)
            return
        session.start_message()
        while piece and session.message_piece(piece):
            piece = b""  # while it waits, a slow reader costs what the transport holds, and no more
            if session.pending > MAX_PENDING:
                await self.flush()
            piece = await reader.read()
        session.end_message()

    async def _update(self, deleted: frozenset[int]) -> None:
        """QUIT was complete, so what it orders is done, also where the client does not wait for the reply."""
        assert self._maildrop is not None
        try:
            gone = await self.to_the_end(self._maildrop.update(deleted))
        except Exception as error:  # noqa: BLE001 (as above)
            self._refuse(error)
            return
        finally:
            self._end_login()
        self._note_deletion(gone)
        self._session.updated(len(gone))

    def _note_sent(self) -> None:
        if sent := self._session.take_sent():
            self._sent.add(sent)

    def _note_retrieval(self, uids: Sequence[str], octets: int, lines: int | None) -> None:
        """*lines*: of TOP."""
        about = {"uids": uids, "count": len(uids), "octets": octets, "lines": lines}
        self.note("sent {count}, {octets} octets", "message.retrieved", level=LogLevel.debug, **about)

    def _note_deletion(self, deleted: Set[int]) -> None:
        assert self._maildrop is not None
        self._note_sent()
        self._sent.flush()
        uids = [self._maildrop.listing.uids[index] for index in sorted(deleted)]
        for start in range(0, len(uids), UIDS_A_LINE):
            batch = uids[start : start + UIDS_A_LINE]
            self.note("deleted {count}", "messages.deleted", level=LogLevel.debug, count=len(batch), uids=batch)
        self.note(
            "POP3 logout {user}, {retrieved} retrieved, {count} deleted",
            "session.ended",
            retrieved=self._sent.count,
            count=len(uids),
        )

    def _refuse(self, error: Exception) -> None:
        """Answer with what the table says of *error*; CancelledError goes on."""
        if isinstance(error, CancelledError):
            raise error
        refusal = next((refusal for kind, refusal in _REFUSALS if isinstance(error, kind)), None)
        if refusal is None:
            self.log.failure("our fault", session=self.origin.session)
            refusal = _OUR_FAULT
        event = "login.refused" if self._maildrop is None else "command.refused"
        self.note("refused {user} from {peer}: {reply}", event, reply=refusal.text, code=refusal.code, cause=error)
        self.keep_dialogue(refusal.text)
        self._session.refuse(refusal.text, refusal.code)

    def _end_login(self) -> None:
        log_out, self._log_out = self._log_out, None
        if log_out is not None:
            log_out()

    # ---- what Connection asks for

    def farewell(self, why: Farewell, text: str) -> None:
        self._session.close(text, "SYS/TEMP", why.value)

    def cleanup(self) -> None:
        self._note_sent()
        self._sent.end()
        if self._log_out is not None:
            text = "POP3 session of {user} ended without QUIT, {retrieved} retrieved, nothing deleted"
            self.note(text, "session.lost", retrieved=self._sent.count)
        self._end_login()
