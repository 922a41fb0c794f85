"""Look-ups over a resolver of this file: what is remembered, what is none, and what fails."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError, ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.policy.dns import MAX_QUESTIONS, TIME_LIMIT, CachedLookups, LookupFailed, is_name

Answer = Sequence[dns.IRecord] | Exception


class OneAnswer:
    """A resolver that says the same to every question."""

    def __init__(self, answer: Answer | None, ttl: int = 600) -> None:
        self._answer = answer
        self._ttl = ttl
        self.asked: list[str] = []

    def _look_up(self, name: str, timeout: object = None) -> Deferred[object]:
        self.asked.append(name)
        if self._answer is None:
            return Deferred()
        if isinstance(self._answer, Exception):
            return fail(self._answer)
        alias = dns.RRHeader(name, dns.CNAME, ttl=1, payload=dns.Record_CNAME("alias.example"))
        headers = [dns.RRHeader(name, record.TYPE, ttl=self._ttl, payload=record) for record in self._answer]
        return succeed(([alias, *headers], [], []))

    lookupText = lookupAddress = lookupIPV6Address = lookupMailExchange = lookupPointer = _look_up


class LookupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def lookups(self, *records: dns.IRecord, ttl: int = 600) -> CachedLookups:
        self.resolver = OneAnswer(records, ttl)
        return CachedLookups(self.resolver, self.clock)

    def result(self, question: object) -> object:
        return self.successResultOf(Deferred.fromCoroutine(question))  # type: ignore[arg-type]

    def test_strings_of_a_text_are_joined(self) -> None:
        lookups = self.lookups(dns.Record_TXT(b"v=spf1 ", b"-all"), dns.Record_TXT(b"other"))
        self.assertEqual((b"v=spf1 -all", b"other"), self.result(lookups.txt("example.org")))

    def test_addresses_are_texts(self) -> None:
        self.assertEqual(("192.0.2.1",), self.result(self.lookups(dns.Record_A("192.0.2.1")).addresses("a.example", 4)))
        six = self.lookups(dns.Record_AAAA("2001:db8::1"))
        self.assertEqual(("2001:db8::1",), self.result(six.addresses("a.example", 6)))

    def test_preferred_exchanges_come_first(self) -> None:
        lookups = self.lookups(dns.Record_MX(20, "B.Example"), dns.Record_MX(10, "a.example."))
        self.assertEqual(((10, "a.example"), (20, "b.example")), self.result(lookups.mx("example.org")))

    def test_names_of_an_address_are_asked_for_in_its_reverse_zone(self) -> None:
        lookups = self.lookups(dns.Record_PTR("Mail.Example"))
        self.assertEqual(("mail.example",), self.result(lookups.ptr("192.0.2.1")))
        self.assertEqual(["1.2.0.192.in-addr.arpa"], self.resolver.asked)

    def test_answer_is_remembered_for_as_long_as_its_records_say(self) -> None:
        lookups = self.lookups(dns.Record_TXT(b"x"), ttl=100)
        for _ in range(2):
            self.result(lookups.txt("Example.org."))
        self.assertEqual(["example.org"], self.resolver.asked)
        self.clock.advance(101)
        self.result(lookups.txt("example.org"))
        self.assertEqual(2, len(self.resolver.asked))

    def test_name_that_does_not_exist_has_no_records(self) -> None:
        for answer in ([], error.DNSNameError(), error.AuthoritativeDomainError()):
            lookups = CachedLookups(OneAnswer(answer), self.clock)
            self.assertEqual((), self.result(lookups.txt("example.org")))

    def test_failure_is_not_remembered(self) -> None:
        resolver = OneAnswer(error.DNSServerError())
        lookups = CachedLookups(resolver, self.clock)
        for _ in range(2):
            failure = self.failureResultOf(Deferred.fromCoroutine(lookups.txt("example.org")), LookupFailed)
            self.assertEqual("example.org: SERVFAIL", str(failure.value))
        self.assertEqual(2, len(resolver.asked))

    def test_whatever_goes_wrong_below_is_a_failure_of_dns(self) -> None:
        for trouble in (CannotListenError("", 0, OSError()), ConnectionRefusedError(), ConnectionLost(), OSError()):
            lookups = CachedLookups(OneAnswer(trouble), self.clock)
            self.failureResultOf(Deferred.fromCoroutine(lookups.txt("example.org")), LookupFailed)

    def test_long_answer_is_not_remembered(self) -> None:
        lookups = self.lookups(*(dns.Record_TXT(b"x" * 250) for _ in range(20)))
        for _ in range(2):
            self.result(lookups.txt("example.org"))
        self.assertEqual(2, len(self.resolver.asked))

    def test_only_so_many_questions_are_asked_at_once(self) -> None:
        resolver = OneAnswer(None)
        lookups = CachedLookups(resolver, self.clock)
        waiting = [Deferred.fromCoroutine(lookups.txt(f"x{number}.example")) for number in range(MAX_QUESTIONS + 5)]
        self.assertEqual(MAX_QUESTIONS, len(resolver.asked))
        self.clock.advance(TIME_LIMIT)
        self.assertEqual(MAX_QUESTIONS + 5, len(resolver.asked))
        self.clock.advance(TIME_LIMIT)
        for each in waiting:
            self.failureResultOf(each, LookupFailed)

    def test_resolver_that_says_nothing_fails_in_time(self) -> None:
        waiting = Deferred.fromCoroutine(CachedLookups(OneAnswer(None), self.clock).txt("example.org"))
        self.assertNoResult(waiting)
        self.clock.advance(TIME_LIMIT)
        self.failureResultOf(waiting, LookupFailed)

    def test_what_cannot_be_a_name_is_not_asked_for(self) -> None:
        lookups = self.lookups(dns.Record_TXT(b"x"))
        for name in ("", "a..b", f"{'a' * 64}.example", ".".join(["abc"] * 64), "b\xfccher.example", "a b.example"):
            self.assertEqual((), self.result(lookups.txt(name)))
        self.assertEqual([], self.resolver.asked)
        self.assertTrue(is_name("_dmarc.example.org"))
