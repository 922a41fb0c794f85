"""A mailbox behind POP3 as a source.  Nothing is deleted there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted_mail.mailbox import maildir
from twisted_mail.moving.letter import Letter, arrival_of
from twisted_mail.moving.pop3client import Account, POP3Client


class POP3Source:
    """All messages of one session."""

    def __init__(self, account: Account, client: POP3Client) -> None:
        """Raises MovingError."""
        self.name = str(account)
        self.problems: list[str] = []
        self._client = client
        self._numbers = list(client.sizes())
        self._uids = client.uids()
        self.total: int | None = len(self._numbers)

    def letters(self, is_wanted: Callable[[str], bool]) -> Iterator[Letter]:
        uids = self._uids or {}
        valid = {number: uid for number, uid in uids.items() if maildir.is_uid(uid)}
        wanted = [number for number in self._numbers if number not in valid or is_wanted(valid[number])]
        for number, text in zip(wanted, self._client.fetch(wanted), strict=True):
            if text is None:
                self.problems.append(f"{self.name}: message {number} was refused")
                continue
            yield Letter(text, valid.get(number), arrival_of(text))
        self._client.quit()
