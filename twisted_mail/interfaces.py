"""Every extension point of the server, with its errors.  Read this first, then service.py, which puts them together.

Three journeys meet here: a message comes in and goes out through `IDeliveryTarget` and `IDelivery`; a message is read
through `IMaildrop`; who may do either is decided by twisted.cred's Portal, whose avatars these interfaces are.

Nothing above this file may assume that a mailbox is a folder, that the directory of users is a file, or that there is
one process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum

from twisted.cred.credentials import ICredentials, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from zope.interface import Attribute, Interface, implementer

from twisted_mail.content import Message
from twisted_mail.pop3.listing import Listing
from twisted_mail.pop3.terms import Terms
from twisted_mail.sasl import Inquiry
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.envelope import MailOptions, Origin, Recipient
from twisted_mail.smtp.reply import Reply, SMTPError
from twisted_mail.tlsoutcome import NO_POLICY, Published

# ---- a message on its way

Results = Mapping[Recipient, SMTPError | None]
"""What becomes of a message, by recipient: None where it is taken, else why it is not."""


class IDeliveryTarget(Interface):
    """Somewhere a message can go: a policy, the router, a mailbox store, a queue.  A filter is a target around one."""

    def begin(origin: Origin, sender: Address | None, options: MailOptions) -> Awaitable[IDelivery]:
        """Open a transaction.  *sender* is None for the null reverse-path.

        Raises SMTPError: the sender is refused, its reply is for the peer.
        """


class IDelivery(Interface):
    """One message on its way.  Used in this order; ended by exactly one of `commit`, `deliver` and `abort`."""

    def add_recipient(recipient: Recipient) -> Awaitable[None]:
        """Raises SMTPError: this recipient is refused, the transaction goes on."""

    def prepare(message: Message) -> Awaitable[Results]:
        """Do all that can fail (write, sync).  None means: mine, once committed."""

    def commit() -> Awaitable[None]:
        """Make it real (rename, sync the directory).  Raises SMTPError if that failed after all."""

    def deliver(message: Message) -> Awaitable[Results]:
        """`prepare` and `commit` in one: for a caller that has no second target to keep in step.

        A target does both with a single wait for its disk where it can.  None means: on disk, for good.
        """

    def abort() -> None:
        """Leave no trace.  Safe at any time before commit(), and after a failed prepare() or deliver()."""


class IListOwner(Interface):
    """What the avatar of a user provides beside IDeliveryTarget: their lists may be shown to them (EXPN)."""

    def members(alias: Address) -> Awaitable[Sequence[Address]]:
        """What the list leads to, as it was set.  Raises NoSuchUser: it is no list of theirs."""


class IMessageFilter(Interface):
    """A filter in Python: a plugin in the package twisted.plugins, which mailserver.toml enables by its name.

    Each hook lets go on what it has nothing against, or raises SMTPError, whose reply the client gets.  What else it
    raises is logged and stops no mail, nor does one that is late; that filter is not asked again about the message.
    Hooks share the server's one thread: whatever waits must be awaited.  `wrapping.MessageFilter` has all of them.
    """

    name: str = Attribute("As in [filters.NAME].")

    def connection(origin: Origin) -> Awaitable[None]:
        """A client has begun its first message: it has introduced itself, and logged in if it ever will."""

    def sender(origin: Origin, sender: Address | None, options: MailOptions) -> Awaitable[None]:
        """Each MAIL.  *sender* is None for the null reverse-path."""

    def recipient(origin: Origin, sender: Address | None, recipient: Recipient) -> Awaitable[None]:
        """Each RCPT that the server itself would take.  SMTPError refuses that recipient only."""

    def message(
        origin: Origin, sender: Address | None, recipients: Sequence[Recipient], message: Message
    ) -> Awaitable[Message | None]:
        """The whole message.  None: as it is; a Message is delivered in its place (`Message.with_fields`)."""


class IVerdicts(Interface):
    """Hears what users say of their mail, and learns from it for all: see policy/reputation.py.

    Where it cannot be used, whoever calls it goes on without.
    """

    def learn(account: Address, header: bytes, is_junk: bool) -> None:
        """*account* says, by a deed of its own, that a message is junk or that it is not.

        *header* is that of the message as it lies in the mailbox: where it came from is taken from the Received field
        that we wrote, and what came another way teaches nothing.  Said of the same message again, the last word counts.
        Blocks for the disk: call it in a thread.  Raises OSError.
        """


class HangUp(Exception):
    """Raised by a delivery: the connection is to be cut, without a word to the peer."""


class IRoom(Interface):
    """Knows which mailboxes have room."""

    def check(named: Address, accounts: Sequence[Address], size: int | None) -> Awaitable[None]:
        """*named* leads to all of *accounts*; *size*: octets, as far as they were announced.

        Raises SMTPError, which speaks of *named* only: one of them has no room.
        """


class IRelayDelivery(IDelivery):
    """A delivery to another server, which may take over what is said to the sender."""

    reports_success: Set[Recipient] = Attribute("After `deliver`: the next server reports these (RFC 3461 §5.2.2).")


class RemoteRefusal(SMTPError):
    """What another server said of a recipient or a message, or that it said nothing: raised or answered by a relay.

    4yz: try again later.  5yz: for good.
    """

    def __init__(self, reply: Reply, *, host: str = "", dialogue: str = "", by_remote: bool = True) -> None:
        super().__init__(reply)
        self.host = host
        """The name of the server that was asked; empty where none could be found."""
        self.dialogue = dialogue
        """The last lines of the session with it, secrets struck out; LF line ends."""
        self.by_remote = by_remote
        """The reply is *host*'s own; else it is ours, about a server that did not answer or could not be found."""


@dataclass(frozen=True, slots=True)
class MailHost:
    """A server that takes mail for a domain."""

    name: str
    """A host name, or an address literal as in an address."""
    addresses: tuple[str, ...]
    """IP addresses in the order in which to try them; at least one."""
    port: int = 25


class Demand(Enum):
    """What a domain wants of the TLS with which its mail comes."""

    NOTHING = "nothing"
    TESTED = "tested"
    """A valid certificate; without one the mail shall come all the same, and the domain hear of it."""
    CERTIFICATE = "certificate"
    """TLS with a certificate for the server's name, or no mail."""
    DANE = "DANE"
    """TLS with a certificate that `Approach.tlsa` names; any will do where it is empty."""
    REFUSED = "refused"
    """This server is none of the domain's: no mail."""


@dataclass(frozen=True, slots=True)
class TLSA:
    """A record that names a certificate (RFC 6698 §2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


@dataclass(frozen=True, slots=True)
class Approach:
    """How one server may be spoken to, and who says so."""

    demand: Demand
    reason: str = ""
    """For people, as in `MTA-STS of example.net (enforce)`; empty: nobody has said anything."""
    tlsa: tuple[TLSA, ...] = ()
    published: Published = NO_POLICY
    """What has been said, for reports."""


class ITransportPolicies(Interface):
    """What domains say of the way to their servers."""

    def approach(domain: str, host: MailHost) -> Awaitable[Approach]:
        """*host* is one of those that DNS names for *domain*."""


class IMXResolver(Interface):
    """Finds the servers that take mail for a domain (RFC 5321 §5.1)."""

    def hosts(domain: str) -> Awaitable[Sequence[MailHost]]:
        """In the order in which to try them, at least one.  *domain* as in an Address: A-labels, or `[...]`.

        Raises RemoteRefusal: 4yz where nobody knows just now, 5yz where there is no such server.
        """


class ISigner(Interface):
    """Signs what leaves in the name of who sent it."""

    def sign_again(message: Message, origin: Origin, sender: Address | None) -> Awaitable[Message]:
        """A message that was changed after it was signed, with a new signature; as it is where nobody can sign it.

        Raises OSError: it cannot be read.
        """


class IWitness(Interface):
    """Knows which servers are a domain's own, where plain DNS could be forged."""

    def vouches_for(domain: str, host: MailHost) -> Awaitable[bool]:
        """Whether DNSSEC or MTA-STS says that *host* takes mail for *domain* (RFC 8689 §4.2.1).

        Only then a certificate for the host's name proves that it is the right one.
        """


# ---- who exists


class NoSuchUser(Exception):
    """No account, alias or catch-all takes this address, though its domain is one of ours."""


class UserDisabled(Exception):
    """The account exists and is switched off: mail for it is refused for now."""


@dataclass(frozen=True, slots=True)
class Way:
    """How aliases led to an address: in whose name a message goes on there."""

    domain: str
    """Of the last alias, one of ours."""
    owner: Address | None = None
    """Of the list: the account that becomes the envelope sender, and so hears what fails."""
    rewrites: bool = True
    """Where mail leaves us, the sender is rewritten to be in *domain* (smtp/srs.py)."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What an address stands for once aliases are followed."""

    mailboxes: tuple[Address, ...]
    """Accounts of ours, in their canonical spelling, each once."""
    outside: tuple[Address, ...] = ()
    """Addresses in domains that are not ours."""
    ways: Mapping[Address, Way] = field(default_factory=dict)
    """For each of both that an alias led to."""


class IUsers(Interface):
    """Which addresses exist, and what they expand to."""

    def is_local(domain: str) -> Awaitable[bool]:
        """Whether *domain* (lower-case A-labels) is one of ours."""

    def expand(address: Address) -> Awaitable[Expansion]:
        """Follow plus addressing, aliases and the domain's catch-all from an address in a local domain.

        Raises NoSuchUser or UserDisabled.
        """

    def may_send_as(account: Address, address: Address) -> Awaitable[bool]:
        """Whether *address* is one of *account*'s own: itself, with a plus extension, or an alias that leads to it."""

    def members(address: Address, owner: Address) -> Awaitable[Sequence[Address]]:
        """What the alias *address* leads to, as it was set.

        Without a domain it is in that of *owner*.  Raises NoSuchUser: there is none that the account *owner* owns.
        """


# ---- logging in


@implementer(IUsernamePassword)
class PasswordLogin:
    """The credentials of USER/PASS, PLAIN and LOGIN.  Any cred checker for IUsernamePassword understands them."""

    def __init__(self, user: str, password: str, origin: Origin) -> None:
        self.username = user.encode()
        self.password = password.encode()
        self.origin = origin
        """Where the login comes from, for limits and the log."""
        self.secret = ""
        """The name of the app password that it was: who checks it says so here."""

    def checkPassword(self, password: bytes) -> bool:
        return self.password == password


class IProvenLogin(ICredentials):
    """Credentials of a SASL mechanism in which the password itself is not sent."""

    user: str = Attribute("An address or a local part, as the client wrote it.")
    proven: bool = Attribute("The proof was good.  If not: to be treated like a wrong password.")
    secret: str = Attribute("The name of the app password that it was, empty for the account's own.")
    origin: Origin = Attribute("Where the login comes from.")


@implementer(IProvenLogin)
@dataclass(frozen=True, slots=True)
class ProvenLogin:
    """The credentials of SCRAM and its like."""

    user: str
    proven: bool
    secret: str
    origin: Origin


class IInquiries(Interface):
    """What SASL exchanges must be told before they know whether a proof is good."""

    def answer(inquiry: Inquiry, origin: Origin) -> Awaitable[object]:
        """Of the type that the kind of inquiry names.

        A user who does not exist gets an answer too, with which no proof is good.  Raises LoginUnavailable.
        """


class AccountDisabled(UnauthorizedLogin):
    """The password was right and the account is switched off."""


class NoSuchView(UnauthorizedLogin):
    """The password was right, and there cannot be a view of the maildrop by that name."""


class NoSuchFolder(UnauthorizedLogin):
    """The password was right, and the mailbox has no folder by that name."""


class LoginUnavailable(Exception):
    """The password could not be checked just now (overload, directory unreadable): the client may try again."""


# ---- a message is read


class MaildropLocked(Exception):
    """Another session has the maildrop.  The text says who, from where and since when, for the log."""


class LoginTooSoon(Exception):
    """The account may not log in as often as that (RFC 2449 §6.5).  The text says when the last login was."""


class MessageGone(Exception):
    """The message was there at login and another program has removed it since."""


class MessageUnreadable(Exception):
    """The message is there and cannot be read (permissions, a broken disk)."""


class DeletionFailed(Exception):
    """Some messages that were to be deleted are still there."""


class IMessageReader(Interface):
    """An open message, read from front to back."""

    def read() -> Awaitable[bytes]:
        """The next piece, with LF or CRLF line ends as on disk; empty at the end.  Raises MessageUnreadable."""

    def close() -> None:
        """Let go of it.  Safe at any time, more than once."""


class IMaildrop(Interface):
    """The POP3 avatar: one account's messages, locked for one session."""

    listing: Listing = Attribute("Sizes and unique ids; fixed for the session.")
    terms: Terms = Attribute("What holds for its account.")

    def at_hand(index: int) -> bytes | None:
        """The whole of a small message, with line ends as on disk, if nothing has to be waited for; else `open` it."""

    def open(index: int) -> Awaitable[IMessageReader]:
        """Raises MessageGone or MessageUnreadable."""

    def update(deleted: Set[int]) -> Awaitable[Set[int]]:
        """Delete these for good: unlinked and the directory synced.  Raises DeletionFailed if some could not be.

        What is not here any more then: all of them, or none where the maildrop ignores deletion.
        """

    def release() -> None:
        """Give up the lock.  Safe at any time, more than once."""


class IMailboxStore(Interface):
    """Where the mailboxes are.  (Delivering into them is the same object's IDeliveryTarget.)"""

    def open_maildrop(account: Address, origin: Origin, terms: Terms, view: str) -> Awaitable[IMaildrop]:
        """Lock and list one account's messages; *view*: of which of its devices or folders, if not empty.

        Raises MaildropLocked, LoginTooSoon, NoSuchView, NoSuchFolder, or OSError where the disk is at fault.
        """
