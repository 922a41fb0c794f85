"""What is wrong with rules or a script, in words for who wrote them."""

from __future__ import annotations

from twisted_mail.printable import printable


class Problem(ValueError):
    """One line: what cannot be shown in it is a question mark."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))
