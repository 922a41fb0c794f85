"""Every dialogue in tests/dialogs/smtp: turn by turn, octet by octet, and all that the client says in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogue import Dialogue, agrees, dialogues, everything_said, lines_of, pieces, read
from tests.smtp.dialogue import Server, reply_of
from twisted_mail.smtp.extensions import EXTENSIONS

FILES = dialogues("smtp")
# Nothing may follow STARTTLS.
IN_ONE_PIECE = [path for path in FILES if "STARTTLS" not in path.read_text()]
# What is sent behind STARTTLS comes too late when it comes octet by octet.
OCTET_BY_OCTET = [path for path in FILES if path.stem != "starttls-injection"]


def check_events(dialogue: Dialogue, server: Server) -> None:
    assert not server.planned, "an A: line was not used"
    if dialogue.events:
        assert server.events == dialogue.events


def play(dialogue: Dialogue, size: int) -> Server:
    """Turn by turn, the client's octets in pieces of *size*."""
    server = Server(dialogue)
    for turn in dialogue.turns:
        server.planned.extend(map(reply_of, turn.answers))
        got = lines_of(server.say(b"") + b"".join(server.say(piece) for piece in pieces(turn.client, size)))
        assert agrees(turn.server, got), f"after {turn.client!r}:\n" + "\n".join(got)
    check_events(dialogue, server)
    return server


def test_dialogues_are_found() -> None:
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dialogue_turn_by_turn_gives_its_replies(path: Path) -> None:
    play(read(path), 100_000)


@pytest.mark.parametrize("path", OCTET_BY_OCTET, ids=lambda path: path.stem)
def test_dialogue_octet_by_octet_gives_its_replies(path: Path) -> None:
    play(read(path), 1)


@pytest.mark.parametrize("path", IN_ONE_PIECE, ids=lambda path: path.stem)
def test_dialogue_in_one_piece_gives_the_same_replies_in_order(path: Path) -> None:
    dialogue = read(path)
    server = Server(dialogue, play(dialogue, 100_000).given)
    got = lines_of(server.say(b"".join(turn.client for turn in dialogue.turns)))
    assert agrees(everything_said(dialogue), got), "\n".join(got)
    check_events(dialogue, server)


@pytest.mark.parametrize("row", EXTENSIONS, ids=lambda row: row.keyword)
def test_every_ehlo_word_has_the_dialogue_that_proves_it(row: object) -> None:
    """A row is proved where its word stands in a reply, and its RFC is named."""
    text = next(path.read_text() for path in FILES if path.stem == row.proof)  # type: ignore[attr-defined]
    assert f"RFC {row.rfc}" in text  # type: ignore[attr-defined]
    assert any(line[2:].lstrip(" 250-").startswith(row.keyword) for line in text.split("\n") if line[:2] == "S:")  # type: ignore[attr-defined]
