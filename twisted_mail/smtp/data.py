"""A message's text while DATA brings it (RFC 5321 §4.1.1.4): decoded, measured, and refused where it must not go on.

A text that is refused is read to its real end all the same: what followed it would be taken for commands.
"""

from __future__ import annotations

from twisted_mail.framing import DotDecoder
from twisted_mail.smtp.reply import Reply

GO_AHEAD = Reply(354, "", "Send the message, then a line that holds only a dot")
# RFC 5321 §2.3.8; passed on, such a text could end early at the next server and smuggle a second one
BARE_LINE_END = Reply(554, "6.0", "The message has a bare CR or LF: every line must end in CR LF")


def too_large(max_size: int) -> Reply:
    """For MAIL with SIZE= and for the end of data (RFC 1870 §6)."""
    return Reply(552, "3.4", f"The message is larger than {max_size} octets, the limit here")


class IncomingText:
    """One message's text on its way in."""

    __slots__ = ("_decoder", "_max_size", "refusal")

    def __init__(self, max_size: int) -> None:
        self._decoder = DotDecoder()
        self._max_size = max_size
        self.refusal: Reply | None = None
        """Why the message cannot be taken, as far as is known by now."""

    @property
    def finished(self) -> bool:
        """The end of the text was seen."""
        return self._decoder.finished

    def feed(self, octets: bytes) -> tuple[bytes, bytes]:
        """The text in *octets* (empty once it is refused), and what follows its end."""
        text, rest = self._decoder.feed(octets)
        if self._decoder.bare_line_end:
            self.refusal = BARE_LINE_END
        elif self._decoder.wire_size > self._max_size:
            self.refusal = too_large(self._max_size)
        return b"" if self.refusal else text, rest
