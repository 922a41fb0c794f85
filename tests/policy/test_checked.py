"""Mail of strangers, checked: what is put in front, what is refused and in which words, and what is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.policy.dkim.zones import NOW, keys, result_of, signed, zone_of
from tests.policy.records import FAILS, Records
from tests.targets import ORIGIN, UnreliableTarget, message, recipients
from twisted_mail.message.evidence import ENOUGH, Evidence
from twisted_mail.networks import Networks
from twisted_mail.policy.arc.seal import Finding, seal_message
from twisted_mail.policy.arc.verify import verify as verify_chain
from twisted_mail.policy.checked import Checked, CheckOptions
from twisted_mail.policy.client import REMEMBERED_FOR, TIME_LIMIT
from twisted_mail.policy.dkim.canonical import body_hashes
from twisted_mail.policy.dkim.sign import WHOLE_BODY
from twisted_mail.policy.findings import Handling
from twisted_mail.policy.judging import Judge
from twisted_mail.policy.lists import AddressLists, DNSList
from twisted_mail.smtp.address import parse_address
from twisted_mail.smtp.envelope import MailOptions, Origin
from twisted_mail.smtp.reply import SMTPError

LETTER = (
    b"From: Alice <alice@example.net>\nDate: Sat, 28 Nov 2026 16:00:00 +0000\nMessage-ID: <1@example.net>\n"
    b"Subject: hello\n\nHello\n"
)
ZONE: Mapping[str, Any] = {
    "192.0.2.1": {"PTR": ["mx.example.net."]},
    "client.example": {"A": ["192.0.2.1"]},
    "mx.example.net": {"A": ["192.0.2.1"]},
    "example.net": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.example.net": {"TXT": ["v=DMARC1; p=reject"]},
    "bank.example": {"TXT": ["v=spf1 -all"]},
    "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
    "mild.example": {"TXT": ["v=spf1 -all"]},
    "_dmarc.mild.example": {"TXT": ["v=DMARC1; p=quarantine"]},
}
SIGNERS = ("bank.example", "lists.example", "next.example", "evil.example")
KEYS: Mapping[str, Any] = {
    name: {"TXT": [text.decode() for text in texts]} for name, texts in zone_of(*SIGNERS).records.items()
}
HANDLINGS = {"tags.example": Handling.TAG}

PROVEN = Evidence(-0.5, "proven to be from example.net (DMARC)")
FORGED = Evidence(ENOUGH, "not proven to be from mild.example (DMARC p=quarantine of mild.example)")


class CheckedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.inner = UnreliableTarget()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.more: dict[str, Any] = {}
        self.use(Records(ZONE))

    def use_list(self, *, rejects: bool) -> None:
        records = Records({**ZONE, "1.2.0.192.bl.example": {"A": ["127.0.0.2"]}})
        lists = AddressLists(records, [DNSList("bl.example")], [], self.clock)
        self.more = {"lists": lists, "judge": Judge(rejects)}
        self.use(records)

    def test_listed_client_is_junk(self) -> None:
        self.use_list(rejects=False)
        listed = Evidence(ENOUGH, "192.0.2.1 is on bl.example (127.0.0.2)")
        self.taken()
        self.assertEqual((listed, PROVEN), self.inner.evidence[-1])
        self.taken(text=LETTER.replace(b"example.net", b"mild.example"))
        self.assertEqual((FORGED, listed), self.inner.evidence[-1])

    def test_listed_client_is_refused_where_that_is_wanted(self) -> None:
        self.use_list(rejects=True)
        for text in (LETTER, LETTER.replace(b"example.net", b"mild.example")):
            reply = self.refusal(text=text).reply
            self.assertEqual((550, "5.7.1"), (reply.code, reply.status))
            self.assertIn("192.0.2.1 is on the list bl.example", reply.text)

    def test_trusted_client_is_not_looked_up(self) -> None:
        self.use_list(rejects=True)
        self.taken(origin=replace(ORIGIN, peer="198.51.100.7"))
        self.assertEqual([], self.records.asked)

    def use(self, records: Any) -> None:
        self.records = records
        trusted = Networks((ip_network("198.51.100.0/24"),))
        options = CheckOptions(
            "mail.example.org",
            trusted,
            lambda domain: HANDLINGS.get(domain, Handling.REJECT),
            frozenset({"lists.example", "next.example"}),
        )
        options = replace(options, **self.more)
        self.target = Checked(self.inner, options, records, lambda call: execute(call), self.clock, Random(1))

    def sending(
        self,
        text: bytes = LETTER,
        sender: str = "alice@example.net",
        to: str = "bob@example.org",
        origin: Origin = ORIGIN,
    ) -> Deferred[None]:
        async def send() -> None:
            delivery = await self.target.begin(origin, parse_address(sender) if sender else None, MailOptions())
            try:
                for recipient in recipients(*to.split()):
                    await delivery.add_recipient(recipient)
                await delivery.deliver(message(text))
            except BaseException:
                delivery.abort()
                raise

        return Deferred.fromCoroutine(send())

    def taken(self, **sending: Any) -> str:
        """The text as the inner target took it."""
        self.successResultOf(self.sending(**sending))
        return self.inner.taken[-1][2].decode()

    def refusal(self, **sending: Any) -> SMTPError:
        error = self.failureResultOf(self.sending(**sending), SMTPError).value
        self.assertEqual([], self.inner.taken)
        assert isinstance(error, SMTPError)
        return error

    def test_true_message_is_tagged_as_such(self) -> None:
        self.assertEqual(
            "Authentication-Results: mail.example.org;\n"
            " iprev=pass (mx.example.net) policy.iprev=192.0.2.1;\n"
            " spf=pass (ip4:192.0.2.1) smtp.mailfrom=alice@example.net;\n"
            " dkim=none;\n"
            " dmarc=pass (p=reject) header.from=example.net\n" + LETTER.decode(),
            self.taken(),
        )

    def test_forgery_is_refused_with_what_failed_and_what_to_do(self) -> None:
        text = LETTER.replace(b"example.net", b"bank.example")
        reply = self.refusal(text=text).reply
        self.assertEqual((550, "5.7.26"), (reply.code, reply.status))
        for words in (
            "(DMARC p=reject of bank.example)",
            "SPF says pass for example.net from 192.0.2.1",
            "DKIM: there is no signature",
            "The administrator of bank.example can list 192.0.2.1 in its SPF record",
        ):
            self.assertIn(words, reply.text)
        self.assertTrue(all(len(line) < 500 for line in reply.encode().split(b"\r\n")))

    def test_refusal_of_long_names_has_short_lines(self) -> None:
        long = ".".join(["x" * 60] * 3)
        zone = {f"_dmarc.{long}.example": {"TXT": ["v=DMARC1; p=reject"]}}
        self.use(Records({**zone, **KEYS}))
        text = LETTER.replace(b"example.net", f"{long}.example".encode())
        reply = self.refusal(text=signed(text, *[keys(f"{long}.other")[1]] * 4), sender=f"a@{long}.sender").reply
        self.assertTrue(all(len(line) < 510 for line in reply.encode().split(b"\r\n")), reply.text)

    def test_forgery_where_the_owner_wants_less_is_junk(self) -> None:
        text = self.taken(text=LETTER.replace(b"example.net", b"mild.example"))
        self.assertIn(" dmarc=fail (p=quarantine) header.from=mild.example\n", text)
        self.assertEqual((FORGED,), self.inner.evidence[-1])

    def test_forgery_that_is_tagged_only_is_no_junk(self) -> None:
        self.taken(text=LETTER.replace(b"example.net", b"mild.example"), to="bob@tags.example")
        self.assertEqual((), self.inner.evidence[-1])

    def test_verdict_of_the_sender_goes(self) -> None:
        text = self.taken(text=b"x-junk: yes; because\n I say so\n" + LETTER)
        self.assertTrue(text.endswith("header.from=example.net\n" + LETTER.decode()), text)
        self.assertEqual((PROVEN,), self.inner.evidence[-1])

    def test_forgery_for_a_domain_that_tags_is_delivered(self) -> None:
        text = LETTER.replace(b"example.net", b"bank.example")
        self.assertIn("dmarc=fail", self.taken(text=text, to="bob@tags.example"))
        self.assertIn("dmarc=fail", self.taken(text=text, to="bob@example.org bob@tags.example"))

    def test_forged_results_go(self) -> None:
        forged = b"Authentication-Results: MAIL.example.org; dmarc=pass header.from=bank.example\n"
        self.assertNotIn("bank.example", self.taken(text=forged + LETTER))

    def test_forged_results_behind_a_line_that_is_no_field_are_body(self) -> None:
        forged = b"no field\nAuthentication-Results: mail.example.org; dmarc=pass header.from=bank.example\n"
        for text in (forged, b"Subject: x\n" + forged, forged + b"\nHello\n"):
            header, _, body = self.taken(text=text).partition("\n\n")
            self.assertNotIn("bank.example", header)
            self.assertIn("no field\nAuthentication-Results:", body)

    def test_failing_spf_alone_refuses_nothing(self) -> None:
        text = LETTER.replace(b"example.net", b"nothing.example")
        taken = self.taken(text=text, sender="x@bank.example")
        self.assertIn(" spf=fail (-all) smtp.mailfrom=x@bank.example;\n", taken)
        self.assertIn(" dmarc=none header.from=nothing.example\n", taken)

    def test_name_in_helo_is_checked_too_where_it_has_a_record(self) -> None:
        self.use(Records({**ZONE, "client.example": {"TXT": ["v=spf1 a:mx.example.net -all"]}}))
        self.assertIn(
            " spf=pass (ip4:192.0.2.1) smtp.mailfrom=alice@example.net;\n"
            " spf=pass (a:mx.example.net) smtp.helo=client.example;\n",
            self.taken(),
        )

    def test_report_without_sender_is_checked_by_its_greeting(self) -> None:
        self.use(Records({**ZONE, "client.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}}))
        self.assertIn(" spf=pass (ip4:192.0.2.1) smtp.helo=client.example;\n", self.taken(text=b"\nHi\n", sender=""))

    def test_dns_that_does_not_answer_refuses_nothing(self) -> None:
        self.use(Records(dict.fromkeys(["192.0.2.1", "example.net", "_dmarc.example.net"], FAILS)))
        taken = self.taken()
        for result in ("iprev=temperror", "spf=temperror", "dmarc=temperror"):
            self.assertIn(result, taken)

    def test_forgery_perhaps_is_refused_for_now(self) -> None:
        self.use(Records({**ZONE, "example.net": FAILS}))
        reply = self.refusal().reply
        self.assertEqual((451, "4.7.26"), (reply.code, reply.status))

    def test_message_without_author_is_tagged(self) -> None:
        self.assertIn(" dmarc=permerror (From: names no domain)\n", self.taken(text=b"Subject: x\n\nHello\n"))

    def test_strictest_of_several_authors_counts(self) -> None:
        self.refusal(text=b"From: alice@example.net, x@bank.example\n\nHello\n")

    def test_signature_of_the_author_makes_up_for_the_senders_domain(self) -> None:
        self.use(Records({**ZONE, **KEYS}))
        text = signed(LETTER.replace(b"example.net", b"bank.example"), keys("bank.example")[1])
        taken = self.taken(text=text)
        self.assertIn(" dkim=pass header.d=bank.example header.s=rsa header.a=rsa-sha256 header.b=", taken)
        self.assertIn(" dmarc=pass (p=reject) header.from=bank.example\n", taken)

    def test_broken_signature_is_named_in_the_refusal(self) -> None:
        self.use(Records({**ZONE, **KEYS}))
        text = signed(LETTER.replace(b"example.net", b"bank.example"), keys("bank.example")[1]) + b"more\n"
        self.assertIn("DKIM: fail for bank.example", self.refusal(text=text).reply.text)

    def test_forwarder_is_believed_if_it_is_trusted(self) -> None:
        self.use(Records({**ZONE, **KEYS}))
        good = "mx; dmarc=pass header.from=bank.example"
        for hops, is_believed in (
            ([("lists.example", good)], True),
            ([("lists.example", good), ("next.example", "mx; dmarc=fail")], True),
            ([("evil.example", good)], False),
            ([("evil.example", good), ("lists.example", "mx; dmarc=fail header.from=bank.example")], False),
            ([("lists.example", good), ("evil.example", good)], False),
            ([("lists.example", "mx; dmarc=fail header.from=bank.example")], False),
            ([("lists.example", "mx; dmarc=pass header.from=other.example")], False),
            ([("lists.example", "mx; spf=fail (dmarc=pass)")], False),
        ):
            text = LETTER.replace(b"example.net", b"bank.example")
            for domain, found in hops:
                text = self.sealed(text, domain, found)
            if is_believed:
                taken = self.taken(text=text)
                self.assertIn(" arc=pass (sealed by lists.example", taken)
                self.assertIn(" dmarc=fail (p=reject, was good at lists.example) header.from=bank.example\n", taken)
                self.inner.taken.clear()
            else:
                self.refusal(text=text)

    def sealed(self, text: bytes, domain: str, found: str) -> bytes:
        whole = message(text)
        assert isinstance(whole.body, bytes)
        digest = body_hashes([whole.body], [WHOLE_BODY])[WHOLE_BODY].digest()
        finding = Finding(result_of(verify_chain(whole, self.records.txt, execute)), found)
        return seal_message(whole.header, digest, finding, keys(domain)[1], NOW) + text

    def test_trusted_client_is_not_checked(self) -> None:
        for peer in ("198.51.100.7", ""):
            origin = Origin(peer=peer, session="5e55")
            self.assertEqual(LETTER.decode(), self.taken(origin=origin, text=LETTER))
        self.assertEqual([], self.records.asked)

    def test_client_is_remembered_for_its_next_message(self) -> None:
        self.taken()
        asked = len(self.records.asked)
        self.taken()
        self.assertEqual(["TXT _dmarc.example.net"], [q for q in self.records.asked[asked:] if "example.net" in q])
        self.clock.advance(REMEMBERED_FOR)
        self.taken()
        self.assertEqual(2, self.records.asked.count("TXT example.net"))

    def test_refused_recipient_costs_no_question(self) -> None:
        self.inner.fails_at = "add"
        self.failureResultOf(self.sending(), SMTPError)
        self.assertEqual([], self.records.asked)

    def test_zone_that_never_ends_answering_is_given_up(self) -> None:
        class Slow(Records):
            async def txt(self, name: str) -> tuple[bytes, ...]:
                await Deferred()
                raise AssertionError

        self.use(Slow(ZONE))
        sending = self.sending()
        self.assertNoResult(sending)
        self.clock.advance(TIME_LIMIT)
        self.clock.advance(TIME_LIMIT)
        self.successResultOf(sending)
        self.assertIn(b"spf=temperror (its look-ups take too long)", self.inner.taken[-1][2])

    def test_delivery_that_is_dropped_ends_its_questions(self) -> None:
        class Waiting(Records):
            cancelled = 0

            async def txt(self, name: str) -> tuple[bytes, ...]:
                def count(_: object) -> None:
                    Waiting.cancelled += 1

                await Deferred(count)
                raise AssertionError

        self.use(Waiting(ZONE))

        async def drop() -> None:
            delivery = await self.target.begin(ORIGIN, parse_address("alice@example.net"), MailOptions())
            await delivery.add_recipient(recipients("bob@example.org")[0])
            delivery.abort()

        self.successResultOf(Deferred.fromCoroutine(drop()))
        self.assertEqual(2, Waiting.cancelled)
        self.assertEqual([], self.clock.getDelayedCalls())


FIELDS = st.sampled_from(
    [
        "From: a@example.net",
        "From: <a@bank.example>, b@x.y.z.a.b.c.d.e.f.g.example.net",
        "DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=rsa; h=from; bh=AA==; b=AA==",
        "DKIM-Signature: v=1",
        "ARC-Seal: i=1; cv=none; a=rsa-sha256; d=lists.example; s=rsa; b=AA==",
        "ARC-Message-Signature: i=1; a=rsa-sha256; d=lists.example; s=rsa; h=from; bh=AA==; b=AA==",
        "ARC-Authentication-Results: i=1; mx; dmarc=pass",
        "Authentication-Results: mail.example.org; dmarc=pass",
    ]
)


@given(st.lists(FIELDS | st.text(max_size=60).map(lambda text: text.replace("\n", " ")), max_size=12))
def test_any_header_is_answered_within_bounded_look_ups(lines: list[str]) -> None:
    inner = UnreliableTarget()
    records = Records({**ZONE, **KEYS})
    options = CheckOptions("mail.example.org", Networks(()), lambda domain: Handling.TAG)
    target = Checked(inner, options, records, execute, Clock(), Random(1))

    async def send() -> None:
        delivery = await target.begin(ORIGIN, parse_address("alice@example.net"), MailOptions())
        await delivery.add_recipient(recipients("bob@example.org")[0])
        await delivery.deliver(message("\n".join([*lines, "", "Hello\n"]).encode("utf-8", "replace")))

    result_of(send())
    text = inner.taken[0][2].partition(b"\n\n")[0]
    assert text.startswith(b"Authentication-Results: mail.example.org;\n iprev=pass")
    assert text.count(b"\nAuthentication-Results: mail.example.org;") == 0
    assert len(records.asked) < 150
