"""What a client session has under way: the commands that wait for replies, and the message that they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted_mail.framing import DotEncoder
from twisted_mail.smtp.client_commands import Outgoing
from twisted_mail.smtp.client_events import Stage
from twisted_mail.smtp.envelope import Recipient
from twisted_mail.smtp.reply import Reply

Take = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A command that is said, or will be when its turn comes, and what to do with its reply."""

    stage: Stage
    take: Take
    line: bytes = b""
    shown: str = ""
    """The line as the dialogue has it."""
    about: Recipient | None = None

    def expects(self, reply: Reply) -> bool:
        """Whether a reply of this class can follow: 3yz is for AUTH and DATA only (RFC 5321 §4.3.2)."""
        return not 300 <= reply.code < 400 or self.stage in (Stage.LOGIN, Stage.DATA)


@dataclass(slots=True)
class Transaction:
    """One message on its way."""

    message: Outgoing
    replies: dict[Recipient, Reply] = field(default_factory=dict)
    """The last word on each recipient, as far as it is spoken."""
    accepted: list[Recipient] = field(default_factory=list)
    """Those for whom RCPT was answered with yes."""
    refused: bool = False
    """MAIL was answered with no."""
    sent: bool = False
    """The message was sent to its end, which closes the transaction at the peer too."""
    text: DotEncoder | None = None
    """While the text is sent with DATA."""

    def settle_rest(self, reply: Reply) -> None:
        """*reply* is the last word on all who have none yet."""
        for recipient in self.message.recipients:
            self.replies.setdefault(recipient, reply)

    @property
    def waiting(self) -> list[Recipient]:
        """Accepted, and without a last word."""
        return [recipient for recipient in self.accepted if recipient not in self.replies]
