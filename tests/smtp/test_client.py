"""The client session: dialogues whole, octet by octet and in threes; bounds; what reports show of a dialogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialogue import dialogues
from tests.smtp.clientdialogue import Client, outgoing, shown
from twisted_mail.sasl import PasswordCredentials
from twisted_mail.smtp.address import Address
from twisted_mail.smtp.client import ClientSession
from twisted_mail.smtp.client_commands import Content, Outgoing
from twisted_mail.smtp.client_events import Stage
from twisted_mail.smtp.envelope import MailOptions, Recipient


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize("path", dialogues("smtpclient"), ids=lambda path: path.stem)
def test_dialogue(path: Path, size: int) -> None:
    Client(path, size).follow()


def ready(*words: str) -> ClientSession:
    """A session that has said EHLO, to a peer that offers *words*."""
    session = ClientSession("us.example")
    session.receive_data(b"220 mx.example\r\n")
    hear(session, "\r\n".join(("250-mx.example", *(f"250-{word}" for word in words), "250 HELP")))
    return session


def hear(session: ClientSession, line: str) -> list[str]:
    """The events that follow from *line*."""
    session.receive_data(line.encode() + b"\r\n")
    session.data_to_send()
    return events(session)


def events(session: ClientSession) -> list[str]:
    found = []
    while (event := session.next_event()) is not None:
        found.append(shown(event))
    return found


def sent(session: ClientSession) -> None:
    """Up to the end of the text of a message for b and c."""
    session.begin(outgoing("a@us.example to b@mx.example c@mx.example"))
    for line in ("250 ok", "250 ok", "250 ok", "354 go"):
        hear(session, line)
    session.end_text()


def test_reply_without_end_is_cut_off_by_its_lines() -> None:
    session = ClientSession("us.example")
    session.receive_data(b"220-more\r\n" * 100_000)
    assert events(session) == ["Broken a reply of more than 256 lines"]
    assert not session.is_usable


def test_line_without_end_is_cut_off_by_its_octets() -> None:
    session = ClientSession("us.example")
    for _ in range(100):
        session.receive_data(b"220" + b" more" * 100)
    assert events(session) == ["Broken a line of more than 2048 octets"]


def test_nothing_is_understood_after_the_session_broke() -> None:
    session = ClientSession("us.example")
    session.receive_data(b"what\r\n")
    assert len(events(session)) == 1
    assert hear(session, "220 mx.example") == []
    assert session.data_to_send() == b""


def test_message_is_in_doubt_between_its_end_and_the_answer_only() -> None:
    session = ready("PIPELINING")
    assert not session.in_doubt
    session.begin(outgoing("a@us.example to b@mx.example"))
    for line in ("250 ok", "250 ok", "354 go"):
        assert not session.in_doubt
        hear(session, line)
    assert (session.awaited, session.in_doubt) == (Stage.TEXT, False)
    session.text(b"Hello\n")
    session.end_text()
    assert (session.awaited, session.in_doubt) == (Stage.END, True)
    hear(session, "250 ok")
    assert (session.awaited, session.in_doubt, session.is_usable) == (None, False, True)


def test_empty_message_for_nobody_is_never_in_doubt() -> None:
    session = ready("PIPELINING")
    session.begin(outgoing("a@us.example to b@mx.example"))
    for line in ("250 ok", "550 no", "354 go"):
        hear(session, line)
    assert (session.awaited, session.in_doubt) == (Stage.END, False)


def test_lmtp_replies_so_far_are_known_while_others_are_in_doubt() -> None:
    session = ClientSession("us.example", lmtp=True)
    session.receive_data(b"220 mx.example\r\n250 mx.example\r\n")
    sent(session)
    hear(session, "250 b has it")
    assert [str(recipient.address) for recipient in session.replies] == ["b@mx.example"]
    assert session.in_doubt


def test_dialogue_strikes_out_passwords() -> None:
    for mechanism in ("PLAIN", "LOGIN"):
        session = ready(f"AUTH {mechanism}")
        session.log_in(PasswordCredentials("user", "secret"), "nonce")
        for line in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 no"):
            hear(session, line)
        text = session.dialogue.text()
        assert f"C: AUTH {mechanism} ****\n" in text
        for secret in ("AHVzZXIAc2VjcmV0", "dXNlcg", "c2VjcmV0"):
            assert secret not in text


def test_dialogue_for_one_recipient_does_not_name_the_others() -> None:
    session = ready("PIPELINING")
    sent(session)
    hear(session, "550-5.7.1 no\r\n550 5.7.1 not you")
    b, c = outgoing("<> to b@mx.example c@mx.example").recipients
    assert session.dialogue.text(b) == (
        "S: 220 mx.example\nC: EHLO us.example\nS: 250-mx.example\nS: 250-PIPELINING\nS: 250 HELP\n"
        "C: MAIL FROM:<a@us.example>\nC: RCPT TO:<b@mx.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
        "(the message, 5 octets)\nS: 550-5.7.1 no\nS: 550 5.7.1 not you\n"
    )
    assert "b@mx" not in session.dialogue.text(c)
    assert "@mx" not in session.dialogue.text()


def test_dialogue_does_not_show_the_message_before() -> None:
    session = ready()
    session.begin(outgoing("first@us.example to first@mx.example"))
    for line in ("250 ok", "550 no"):
        hear(session, line)
    session.begin(outgoing("second@us.example to second@mx.example"))
    text = session.dialogue.text()
    assert "EHLO" in text
    assert "first" not in text


def test_dialogue_is_bounded() -> None:
    session = ready("PIPELINING")
    many = " ".join(f"r{number}@mx.example" for number in range(1000))
    session.begin(outgoing(f"a@us.example to {many}"))
    session.receive_data(b"250 ok\r\n" + b"550 " + b"x" * 2000 + b"\r\n")
    assert session.dialogue.text().count("\n") <= 40
    assert max(len(line) for line in session.dialogue.text().split("\n")) < 310


def test_address_with_control_characters_is_never_said() -> None:
    session = ready("PIPELINING")
    bad = Recipient(Address("x\r\nDATA", "mx.example"))
    session.begin(Outgoing(None, MailOptions(), (bad,), Content(5)))
    assert session.data_to_send() == b""
    [finished] = events(session)
    assert "control characters" in finished


_REPLIES = st.lists(
    st.one_of(
        st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"450 later\r\n", b"550 no\r\n", b"421 bye\r\n", b"250-more\n"]),
        st.binary(max_size=20),
    ),
    max_size=8,
)


@given(_REPLIES, st.booleans(), st.booleans())
def test_whatever_the_peer_says_a_message_has_one_outcome(replies: list[bytes], pipelining: bool, lmtp: bool) -> None:
    session = ClientSession("us.example", lmtp=lmtp)
    session.receive_data(b"220 mx.example\r\n250-mx.example\r\n250 " + b"PIPELINING" * pipelining + b"\r\n")
    events(session)
    session.begin(outgoing("a@us.example to b@mx.example c@mx.example"))
    outcomes = []
    for reply in replies:
        session.receive_data(reply)
        for event in events(session):
            if event == "SendText":
                session.text(b"Hello\n")
                session.end_text()
            outcomes += [event] if event.startswith(("Finished", "Broken")) else []
    if session.awaited is None:
        assert outcomes
    if outcomes and outcomes[0].startswith("Finished"):
        assert "b@mx.example" in outcomes[0]
        assert "c@mx.example" in outcomes[0]
    assert sum(outcome.startswith("Finished") for outcome in outcomes) <= 1
