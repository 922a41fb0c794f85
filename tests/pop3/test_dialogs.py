"""Every dialogue in tests/dialogs/pop3: turn by turn, octet by octet, and with all commands in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pop3.dialogue import DIALOGUES, Dialogue, Server, agrees, pieces, read

FILES = sorted(DIALOGUES.glob("*.txt"))
IN_ONE_PIECE = [path for path in FILES if "stls" not in read(path).options]  # nothing may follow STLS


def lines_of(octets: bytes) -> list[str]:
    assert not octets or octets.endswith(b"\r\n")
    return octets.decode().split("\r\n")[:-1]


def octets_of(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def check_events(dialogue: Dialogue, server: Server) -> None:
    if dialogue.events:
        assert server.events == dialogue.events


def test_dialogues_are_found() -> None:
    assert len(FILES) > 10


@pytest.mark.parametrize("size", [1, 1000], ids=["octet by octet", "whole"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dialogue_turn_by_turn_gives_its_replies(path: Path, size: int) -> None:
    dialogue = read(path)
    server = Server(dialogue)
    for said, expected in dialogue.turns:
        octets = octets_of(said)
        got = lines_of(server.say(b"") + b"".join(server.say(piece) for piece in pieces(octets, size)))
        assert agrees(expected, got), f"after {said}:\n" + "\n".join(got)
    check_events(dialogue, server)


@pytest.mark.parametrize("path", IN_ONE_PIECE, ids=lambda path: path.stem)
def test_dialogue_in_one_piece_gives_the_same_replies_in_order(path: Path) -> None:
    dialogue = read(path)
    server = Server(dialogue)
    expected = [line for _, lines in dialogue.turns for line in lines]
    got = lines_of(server.say(octets_of([line for said, _ in dialogue.turns for line in said])))
    assert agrees(expected, got), "\n".join(got)
    check_events(dialogue, server)
