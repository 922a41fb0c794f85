"""Every dialogue in tests/dialogs/pop3: turn by turn, octet by octet, and with all commands in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogue import agrees, dialogues, everything_said, lines_of, pieces, read
from tests.pop3.dialogue import Server

FILES = dialogues("pop3")
IN_ONE_PIECE = [path for path in FILES if "stls" not in read(path).settings]  # nothing may follow STLS


def test_dialogues_are_found() -> None:
    assert len(FILES) > 10


@pytest.mark.parametrize("size", [1, 1000], ids=["octet by octet", "whole"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dialogue_turn_by_turn_gives_its_replies(path: Path, size: int) -> None:
    dialogue = read(path)
    server = Server(dialogue)
    for turn in dialogue.turns:
        got = lines_of(server.say(b"") + b"".join(server.say(piece) for piece in pieces(turn.client, size)))
        assert agrees(turn.server, got), f"after {turn.client!r}:\n" + "\n".join(got)
    if dialogue.events:
        assert server.events == dialogue.events


@pytest.mark.parametrize("at_hand", [False, True], ids=["asked for", "at hand"])
@pytest.mark.parametrize("path", IN_ONE_PIECE, ids=lambda path: path.stem)
def test_dialogue_in_one_piece_gives_the_same_replies_in_order(path: Path, at_hand: bool) -> None:
    dialogue = read(path)
    server = Server(dialogue, at_hand=at_hand)
    got = lines_of(server.say(b"".join(turn.client for turn in dialogue.turns)))
    assert agrees(everything_said(dialogue), got), "\n".join(got)
    if dialogue.events:
        assert server.events == dialogue.events
