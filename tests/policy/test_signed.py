"""What leaves is signed, and what is handed on is sealed: the target around the queue."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from time import time

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from tests.policy.dkim.zones import NOW, Zone, keys, result_of, shown, signed, zone_of
from tests.targets import ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.content import Message
from twisted_mail.filecontents import SpilledBody
from twisted_mail.policy.arc.verify import verify
from twisted_mail.policy.dkim.keyrecord import record_name, record_text
from twisted_mail.policy.dkim.keystore import ActiveKeys, KeyStore
from twisted_mail.policy.dkim.rotation import first_pair
from twisted_mail.policy.dkim.signature import Verdict
from twisted_mail.policy.signed import SEAL_LIMIT, Signed, SigningOptions
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.smtp.reply import SMTPError

USER = replace(ORIGIN, user="alice@example.org")
OURS = b"From: Alice <alice@example.org>\nSubject: hello\n\nHello\n"
THEIRS = b"From: them@else.example\nSubject: hello\n\nHello\n"
HOSTNAME = "mail.example.org"


class Place:
    """A server with keys for example.org."""

    def __init__(self, folder: Path, *, checks: bool = True, zone: Zone | None = None) -> None:
        self.store = KeyStore(str(folder))
        self.store.save("example.org", [first_pair(int(NOW))])
        made = self.store.keys("example.org", self.store.pairs("example.org")[0])
        records = {record_name(key.selector, key.domain): [record_text(key.key).encode()] for key in made}
        self.zone = zone or Zone({**records, **zone_of("else.example", "hop.example").records})
        self.queue = UnreliableTarget()
        self.clock = Clock()
        self.clock.advance(NOW)
        options = SigningOptions(HOSTNAME, lambda origin: checks and origin == ORIGIN)
        self.target = Signed(self.queue, options, ActiveKeys(self.store), self.zone.txt, execute, self.clock)

    def send(self, text: bytes | Message, origin: Origin = USER, sender: str | None = "alice@example.org") -> bytes:
        """What the queue got."""
        result_of(self._send(text if isinstance(text, Message) else message(text), origin, sender))
        return self.queue.taken[-1][2]

    async def _send(self, text: Message, origin: Origin, sender: str | None) -> None:
        delivery = await self.target.begin(origin, parse_address(sender) if sender else None, MailOptions())
        (recipient,) = recipients("bob@there.example")
        await delivery.add_recipient(recipient)
        await delivery.deliver(text)

    def chain(self, text: bytes) -> Verdict:
        return result_of(verify(message(text), self.zone.txt, execute)).verdict


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "keys")


def test_message_of_a_user_is_signed_twice_and_not_sealed(place: Place) -> None:
    text = place.send(OURS)
    assert text.endswith(OURS)
    assert shown(text, place.zone) == ["pass", "pass"]
    assert b"d=example.org" in text
    assert b"ARC-Seal" not in text


def test_report_is_signed_by_the_domain_that_the_server_is_in(place: Place) -> None:
    text = place.send(b"From: MAILER-DAEMON@mail.example.org\n\nSorry\n", Origin("", "s"), None)
    assert shown(text, place.zone) == ["pass", "pass"]
    assert b"ARC-Seal" not in text


def test_forward_is_signed_and_sealed_with_what_was_found(place: Place) -> None:
    came = b"Authentication-Results: mail.example.org;\n spf=pass smtp.mailfrom=else.example;\n dkim=pass\n"
    text = place.send(came + signed(THEIRS, *keys("else.example")), ORIGIN, "SRS0=x@example.org")
    assert shown(text, place.zone) == ["pass"] * 4
    assert place.chain(text) is Verdict.PASS
    assert b"ARC-Authentication-Results: i=1; mail.example.org;\n spf=pass smtp.mailfrom=else.example;" in text


def test_forgery_that_is_handed_on_gets_no_signature_of_its_domain(place: Place) -> None:
    text = place.send(OURS, ORIGIN, "alice@example.org")
    assert b"DKIM-Signature" not in text
    assert place.chain(text) is Verdict.PASS


@pytest.mark.parametrize("author", [b"<a..b@example.org>", b"b@else.example, <a..b@example.org>", b"\xff@example.org"])
def test_author_that_nobody_could_check_is_not_signed_for(place: Place, author: bytes) -> None:
    text = b"From: " + author + b"\n\nHello\n"
    assert place.send(text, replace(USER, user="x@example.net"), "x@example.net") == text


def test_results_that_a_stranger_may_have_written_are_not_repeated(tmp_path: Path) -> None:
    unchecked = Place(tmp_path, checks=False)
    text = unchecked.send(b"Authentication-Results: mail.example.org; spf=pass\n" + THEIRS, ORIGIN, "x@else.example")
    assert b"ARC-Authentication-Results: i=1; mail.example.org; arc=none\n" in text
    checked = Place(tmp_path / "other")
    text = checked.send(b"Authentication-Results: else.example; spf=pass\n" + THEIRS, ORIGIN, "x@else.example")
    assert b"ARC-Authentication-Results: i=1; mail.example.org; arc=none\n" in text


def test_chain_that_is_broken_is_said_to(place: Place) -> None:
    first = place.send(THEIRS, ORIGIN, "x@else.example").replace(b"Hello", b"Pay")
    assert b"cv=fail" in place.send(first, ORIGIN, "x@else.example")


def test_chain_that_holds_is_said_to(place: Place) -> None:
    second = place.send(place.send(THEIRS, ORIGIN, "x@else.example"), ORIGIN, "x@else.example")
    assert b"cv=pass" in second
    assert place.chain(second) is Verdict.PASS


def test_dns_that_never_answers_holds_a_forward_up_for_a_bounded_time(place: Place) -> None:
    first = place.send(THEIRS, ORIGIN, "x@else.example")

    async def silent(name: str) -> tuple[bytes, ...]:
        return await Deferred()

    place.target._txt = silent
    done: list[object] = []
    Deferred.fromCoroutine(place._send(message(first), ORIGIN, "x@else.example")).addBoth(done.append)
    place.clock.advance(SEAL_LIMIT - 1)
    assert done == []
    place.clock.advance(1)
    assert done == [None]
    assert place.queue.taken[-1][2].count(b"ARC-Seal") == 1  # no other was added


def test_server_without_keys_sends_as_it_is(tmp_path: Path) -> None:
    place = Place(tmp_path)
    Path(place.store.state_file("example.org")).unlink()
    assert place.send(OURS) == OURS
    assert place.send(THEIRS, ORIGIN, "x@else.example") == THEIRS


def test_new_keys_are_used_without_a_restart(place: Place) -> None:
    place.send(OURS)
    place.store.save("example.org", [replace(first_pair(int(NOW)), name="20270101")])
    assert b"s=20270101r" in place.send(OURS)


def test_disk_that_fails_is_a_temporary_refusal(place: Place) -> None:
    with tempfile.TemporaryFile() as file:
        broken = Message("01" * 16, b"From: alice@example.org\n\n", SpilledBody(file, 0, 300_000), 2)  # type: ignore[arg-type]
        with pytest.raises(SMTPError) as caught:
            place.send(broken)
    assert caught.value.reply.is_temporary


def test_signing_takes_no_noticeable_time(place: Place) -> None:
    text = message(OURS + b"A line as there are many of them in letters that people write.\n" * 160)
    place.send(text)
    start = time()
    for _ in range(50):
        place.send(text)
    assert (time() - start) / 50 < 0.02  # 0.5 ms where nothing else runs
