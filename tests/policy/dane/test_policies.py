"""What follows from signed DNS for a server, and what from DNS that is not signed or does not answer."""

from __future__ import annotations

import dns.rdata
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_mail.interfaces import TLSA, Approach, Demand, ITransportPolicies, IWitness, MailHost
from twisted_mail.policy.dane.policies import DanePolicies, Strongest
from twisted_mail.protocols.securedns import Answer, NoSecureAnswer
from twisted_mail.tlsoutcome import Flaw, Published, TLSFailure

DOMAIN = "there.example"
MX = MailHost("mx.there.example", ("192.0.2.1",))
MX_QUESTION, A_QUESTION, TLSA_QUESTION = f"{DOMAIN} MX", f"{MX.name} A", f"_25._tcp.{MX.name} TLSA"
EE = "3 1 1 " + "ab" * 32

Table = dict[str, Answer | NoSecureAnswer]


def answer(kind: str, *texts: str, secure: bool = True) -> Answer:
    return Answer(tuple(dns.rdata.from_text("IN", kind, text) for text in texts), secure)


class Signed:
    """Answers by a table; what is not in it does not exist, which is signed."""

    def __init__(self, changes: Table) -> None:
        self._table: Table = {
            MX_QUESTION: answer("MX", f"10 {MX.name}."),
            A_QUESTION: answer("A", "192.0.2.1"),
            TLSA_QUESTION: answer("TLSA", EE),
            **changes,
        }

    async def ask(self, name: str, kind: str) -> Answer:
        found = self._table.get(f"{name} {kind}", Answer((), True))
        if isinstance(found, NoSecureAnswer):
            raise found
        return found


class Other:
    """What MTA-STS might say."""

    async def approach(self, domain: str, host: MailHost) -> Approach:
        return Approach(Demand.CERTIFICATE, "other")

    async def vouches_for(self, domain: str, host: MailHost) -> bool:
        return True


NO_ANSWER = NoSecureAnswer("SERVFAIL")


class DanePoliciesTests(SynchronousTestCase):
    def approach(self, changes: Table, domain: str = DOMAIN) -> Approach:
        policies = DanePolicies(Signed(changes))
        return self.successResultOf(Deferred.fromCoroutine(policies.approach(domain, MX)))

    def test_what_they_provide(self) -> None:
        for policies in (DanePolicies(Signed({})), Strongest(DanePolicies(Signed({})), None)):
            verifyObject(ITransportPolicies, policies)
            verifyObject(IWitness, policies)

    def test_all_signed_is_dane(self) -> None:
        record = TLSA(3, 1, 1, b"\xab" * 32)
        published = Published("tlsa", (EE,))
        self.assertEqual(Approach(Demand.DANE, f"DANE of {MX.name}", (record,), published), self.approach({}))

    def test_table(self) -> None:
        for changes, expected in (
            ({MX_QUESTION: answer("MX", f"10 {MX.name}.", secure=False)}, Demand.NOTHING),
            ({MX_QUESTION: answer("MX", "10 other.example.")}, Demand.NOTHING),
            ({A_QUESTION: answer("A", "192.0.2.1", secure=False)}, Demand.NOTHING),
            ({TLSA_QUESTION: answer("TLSA", EE, secure=False)}, Demand.NOTHING),
            ({TLSA_QUESTION: answer("TLSA")}, Demand.NOTHING),
            ({TLSA_QUESTION: NO_ANSWER}, Demand.REFUSED),
            ({A_QUESTION: NO_ANSWER}, Demand.REFUSED),
            ({MX_QUESTION: NO_ANSWER}, Demand.REFUSED),
        ):
            with self.subTest(changes=changes):
                found = self.approach(dict(changes))
                self.assertEqual(expected, found.demand)
                flaw = Flaw(TLSFailure.DNSSEC_INVALID, "SERVFAIL") if expected is Demand.REFUSED else None
                self.assertEqual(flaw, found.published.flaw)
        self.assertEqual(Demand.NOTHING, self.approach({}, "[192.0.2.1]").demand)

    def test_records_of_which_none_can_be_used_want_tls_all_the_same(self) -> None:
        for text in ("1 1 1 " + "ab" * 32, "3 2 1 " + "ab" * 32, "3 1 9 " + "ab" * 32):
            with self.subTest(text=text):
                found = self.approach({TLSA_QUESTION: answer("TLSA", text)})
                self.assertEqual((Demand.DANE, ()), (found.demand, found.tlsa))
                self.assertEqual(TLSFailure.TLSA_INVALID, found.published.flaw and found.published.flaw.failure)

    def test_dane_counts_more_than_what_else_is_said(self) -> None:
        unsigned: Table = {TLSA_QUESTION: answer("TLSA")}
        for changes, expected in (
            ({}, Demand.DANE),
            (unsigned, Demand.CERTIFICATE),
            ({TLSA_QUESTION: NO_ANSWER}, Demand.REFUSED),
        ):
            with self.subTest(changes=changes):
                policies = Strongest(DanePolicies(Signed(dict(changes))), Other())
                found = self.successResultOf(Deferred.fromCoroutine(policies.approach(DOMAIN, MX)))
                self.assertEqual(expected, found.demand)

    def test_signed_mx_records_vouch_for_their_servers(self) -> None:
        for changes, expected in (({}, True), ({MX_QUESTION: answer("MX", "10 other.example.")}, False)):
            policies = Strongest(DanePolicies(Signed(dict(changes))), None)
            found = self.successResultOf(Deferred.fromCoroutine(policies.vouches_for(DOMAIN, MX)))
            self.assertEqual(expected, found)
