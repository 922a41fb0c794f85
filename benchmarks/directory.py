"""What a question to the directory costs; the reactor asks several a message.  `python benchmarks/directory.py`"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Coroutine

from twisted_mail.auth.directory import Directory, NewAccount
from twisted_mail.smtp.address import Address

ACCOUNTS = 20_000
QUESTIONS = 20_000


def main() -> None:
    """Print microseconds a question."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Directory(os.path.join(folder, "directory.sqlite"))
        directory.add_domain("example.org")
        directory.add_accounts(NewAccount(Address(f"u{n}", "example.org"), "hash") for n in range(ACCOUNTS))
        directory.aliases.add(Address("info", "example.org"), [Address("u7", "example.org")])
        directory.aliases.add(Address("", "example.org"), [Address("u8", "example.org")])

        def expanding(local_part: str) -> Callable[[], Coroutine[object, object, object]]:
            return lambda: directory.expand(Address(local_part, "example.org"))

        async def login() -> object:
            return directory.find_login("u17@example.org")

        for name, ask in (
            ("is the domain local", lambda: directory.is_local("example.org")),
            ("an account", expanding("u17")),
            ("an account with a tag", expanding("u17+shop")),
            ("an alias", expanding("info")),
            ("the catch-all", expanding("nobody")),
            ("the account of a login", login),
        ):
            print(f"{name:25} {measured(ask):6.1f} us")


def measured(ask: Callable[[], Coroutine[object, object, object]]) -> float:
    """Microseconds."""
    started = time.perf_counter()
    for _ in range(QUESTIONS):
        try:
            ask().send(None)
        except StopIteration:
            continue
        raise AssertionError("the answer must be there at once")
    return (time.perf_counter() - started) / QUESTIONS * 1e6


if __name__ == "__main__":
    main()
