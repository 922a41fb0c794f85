"""Senders rewritten by SRS and had back."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.smtp.address import MAX_LOCAL_PART, Address, parse_address
from twisted_mail.smtp.srs import VALID, SenderRewriting, SRSError, is_rewritten

DAY = 86_400
NOW = 1_795_000_000.0
"""In November 2026."""
OURS = SenderRewriting(b"our key")
THEIRS = SenderRewriting(b"their key")

REWRITTEN = (
    # sender -> what stands for it; HHHHHH is any hash of ours
    ("bob@sender.example", "SRS0=HHHHHH=JH=sender.example=bob@example.org"),
    ("bob+tag@sender.example", "SRS0=HHHHHH=JH=sender.example=bob+tag@example.org"),
    ("a=b@sender.example", "SRS0=HHHHHH=JH=sender.example=a=b@example.org"),
    ('"b ob"@sender.example', '"SRS0=HHHHHH=JH=sender.example=b ob"@example.org'),
    ("bob@[IPv6:2001:db8::1]", '"SRS0=HHHHHH=JH=[IPv6:2001:db8::1]=bob"@example.org'),
    ("SRS0=abcd=TT=first.example=bob@hop.example", "SRS1=HHHHHH=hop.example==abcd=TT=first.example=bob@example.org"),
    ("SRS0+abcd=TT=first.example=b@hop.example", "SRS1=HHHHHH=hop.example=+abcd=TT=first.example=b@example.org"),
    ("srs0=abcd=TT=first.example=bob@hop.example", "SRS1=HHHHHH=hop.example==abcd=TT=first.example=bob@example.org"),
    ("SRS1=abcd=hop.example==ef=TT=f.example=b@two.example", "SRS1=HHHHHH=hop.example==ef=TT=f.example=b@example.org"),
    # no SRS, whatever they begin with
    ("SRS2=x@sender.example", "SRS0=HHHHHH=JH=sender.example=SRS2=x@example.org"),
    ("SRS0@sender.example", "SRS0=HHHHHH=JH=sender.example=SRS0@example.org"),
)

FORGED = (
    "SRS0=AAAAAA=JH=sender.example=bob@example.org",
    "SRS0==JH=sender.example=bob@example.org",
    "SRS0=AAAAAA=1X=sender.example=bob@example.org",
    "SRS0=sender.example=bob@example.org",
    "SRS0=bob@example.org",
    "SRS1=AAAAAA=hop.example==abcd=TT=first.example=bob@example.org",
    "SRS1=AAAAAA=hop.example=abcd@example.org",
    "SRS1=AAAAAA@example.org",
    "SRS0=\u00e9\u00e9\u00e9=JH=sender.example=bob@example.org",
)


def rewritten(sender: str, now: float = NOW) -> Address:
    address = OURS.rewrite(parse_address(sender), "example.org", now)
    assert address is not None, sender
    return address


class RewritingTests(TestCase):
    def test_sender_is_rewritten_as_the_table_says(self) -> None:
        for sender, expected in REWRITTEN:
            address = rewritten(sender)
            tag, hash_, rest = address.local_part.split("=", 2)
            self.assertRegex(hash_, "^[A-Z2-7]{6}$")
            self.assertEqual(parse_address(expected), Address(f"{tag}=HHHHHH={rest}", address.domain), sender)

    def test_address_that_would_be_too_long_is_not_rewritten(self) -> None:
        overhead = len("SRS0=HHHHHH=TT=sender.example=")
        fits = Address("b" * (MAX_LOCAL_PART - overhead), "sender.example")
        self.assertIsNotNone(OURS.rewrite(fits, "example.org", NOW))
        self.assertIsNone(OURS.rewrite(Address(fits.local_part + "b", fits.domain), "example.org", NOW))

    def test_octets_count_and_not_characters(self) -> None:
        self.assertIsNone(OURS.rewrite(Address("\u00e9" * 25, "sender.example"), "example.org", NOW))


class RestoringTests(TestCase):
    def refused(self, address: Address | str, words: str, now: float = NOW, ours: SenderRewriting = OURS) -> None:
        address = parse_address(address) if isinstance(address, str) else address
        with self.assertRaises(SRSError, msg=str(address)) as caught:
            ours.restore(address, now)
        self.assertIn(words, str(caught.exception))

    def test_sender_comes_back_until_the_last_day(self) -> None:
        for day in (0, 1, VALID):
            for sender in ("bob@sender.example", "a=b@sender.example", "bob@[192.0.2.1]", "b@[IPv6:2001:db8::1]"):
                self.assertEqual(parse_address(sender), OURS.restore(rewritten(sender), NOW + day * DAY))

    def test_sender_does_not_come_back_when_it_is_stale(self) -> None:
        for day in (VALID + 1, 100, 1000, -1):
            self.refused(rewritten("bob@sender.example"), f"taken for {VALID} days", NOW + day * DAY)

    def test_day_that_began_to_count_again_is_no_older(self) -> None:
        end = 1024 * DAY * 21 - DAY  # the last day of a round
        self.assertEqual(
            parse_address("b@sender.example"), OURS.restore(rewritten("b@sender.example", end), end + 2 * DAY)
        )

    def test_twice_forwarded_sender_goes_back_to_the_first_forwarder(self) -> None:
        for first in ("SRS0=abcd=TT=f.example=bob@hop.example", "SRS0+abcd=TT=f.example=bob@hop.example"):
            self.assertEqual(parse_address(first), OURS.restore(rewritten(first), NOW + 100 * DAY))
        second = THEIRS.rewrite(parse_address("SRS0=abcd=TT=f.example=bob@hop.example"), "two.example", NOW)
        self.assertEqual(
            parse_address("SRS0=abcd=TT=f.example=bob@hop.example"), OURS.restore(rewritten(str(second)), NOW)
        )

    def test_case_may_change_on_the_way(self) -> None:
        for change in (str.upper, str.lower):
            came = Address(change(rewritten("bob@sender.example").local_part), "example.org")
            self.assertEqual("bob@sender.example", str(OURS.restore(came, NOW).key))
            literal = Address(change(rewritten("b@[IPv6:2001:db8::1]").local_part), "example.org")
            self.assertEqual("b@[IPv6:2001:db8::1]", str(OURS.restore(literal, NOW).key))

    def test_letters_that_only_look_alike_in_lower_case_are_refused(self) -> None:
        came = rewritten("bob@sender.example", 10 * 32 * DAY).local_part
        self.assertIn("=KA=", came)
        self.refused(Address(came.replace("=KA=", "=\u212aA="), "example.org"), "not made here")
        came = rewritten("bob@kiosk.example").local_part
        self.assertEqual("kiosk.example", OURS.restore(Address(came, "example.org"), NOW).domain)
        self.refused(Address(came.replace("=kiosk.", "=\u212aiosk..", 1), "example.org"), "not made here")

    def test_made_up_address_is_refused(self) -> None:
        for text in FORGED:
            self.refused(text, "not made here")
        self.refused(rewritten("bob@sender.example"), "not made here", ours=THEIRS)

    def test_any_part_that_is_changed_is_noticed(self) -> None:
        for old, new in (("bob", "eve"), ("sender.example", "victim.example"), ("=JH=", "=JI=")):
            came = rewritten("bob@sender.example").local_part
            self.assertIn(old, came)
            self.refused(Address(came.replace(old, new), "example.org"), "not made here")

    def test_only_tagged_addresses_are_return_paths(self) -> None:
        for text in ("bob@example.org", "srs@example.org", "SRS2=a=b=c=d@example.org", "SRS0@example.org"):
            self.assertFalse(is_rewritten(parse_address(text)), text)
            self.refused(text, "not a return address")
        for text in FORGED:
            self.assertTrue(is_rewritten(parse_address(text)), text)


@given(
    st.text(string.ascii_letters + string.digits + "=+-_.%!", min_size=1, max_size=20),
    st.integers(0, 4_000_000_000),
    st.integers(0, VALID),
)
def test_any_sender_that_fits_comes_back(local_part: str, now: int, days: int) -> None:
    sender = Address(local_part, "sender.example")
    address = OURS.rewrite(sender, "example.org", now)
    if address is not None and not is_rewritten(sender):
        assert OURS.restore(address, now + days * DAY) == sender
        assert parse_address(str(address)) == address
