"""Which servers take mail for a domain: the choice in tables, the look-up against a DNS of this file."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from twisted_mail.delivery.mx import TTL_BOUNDS, Exchange, MXResolver, choose, is_this_machine
from twisted_mail.interfaces import MailHost, RemoteRefusal

HOSTNAME = "us.example"
SERVFAIL = error.DNSServerError()
NXDOMAIN = error.DNSNameError()
SILENCE = error.DNSQueryTimeoutError(0)

Record = dns.Record_MX | dns.Record_A | dns.Record_AAAA | dns.Record_CNAME
Answer = list[Record] | Exception


class Zone:
    """A DNS: (kind, name) -> records or an error; a name without records of a kind has none."""

    def __init__(self, *records: tuple[str, str, str]) -> None:
        self.table: dict[tuple[str, str], Answer] = {}
        self.asked: list[str] = []
        self.ttl = 600
        for name, kind, value in records:
            self.add(name, kind, value)

    def add(self, name: str, kind: str, value: str) -> None:
        rows = self.table.setdefault((kind, name), [])
        assert isinstance(rows, list)
        match kind:
            case "MX":
                preference, _, host = value.partition(" ")
                rows.append(dns.Record_MX(int(preference), host))
            case "A":
                rows.append(dns.Record_A(value))
            case "AAAA":
                rows.append(dns.Record_AAAA(value))

    def _look_up(self, kind: str, name: str) -> Deferred[object]:
        self.asked.append(f"{kind} {name}")
        answer = self.table.get((kind, name), [])
        if isinstance(answer, Exception):
            return fail(answer)
        headers = [dns.RRHeader(name, record.TYPE, ttl=self.ttl, payload=record) for record in answer]
        alias = dns.RRHeader(name, dns.CNAME, ttl=1, payload=dns.Record_CNAME("alias.example"))
        return succeed(([alias, *headers], [], []))

    def lookupMailExchange(self, name: str, timeout: object = None) -> Deferred[object]:
        return self._look_up("MX", name)

    def lookupAddress(self, name: str, timeout: object = None) -> Deferred[object]:
        return self._look_up("A", name)

    def lookupIPV6Address(self, name: str, timeout: object = None) -> Deferred[object]:
        return self._look_up("AAAA", name)


class Unshuffled(Random):
    """Leaves lists as they are."""

    def shuffle(self, x: object) -> None:  # type: ignore[override]
        pass


class LookUpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.zone = Zone()

    def resolver(self) -> MXResolver:
        return MXResolver(self.zone, self.clock, HOSTNAME, Unshuffled())  # type: ignore[arg-type]  # the part of IResolver that is used

    def hosts(self, domain: str, *records: tuple[str, str, str]) -> list[tuple[str, tuple[str, ...]]]:
        self.zone = Zone(*records) if records else self.zone
        asking = Deferred.fromCoroutine(self.resolver().hosts(domain))
        return [(host.name, host.addresses) for host in self.successResultOf(asking)]

    def refusal(self, domain: str, *records: tuple[str, str, str]) -> str:
        self.zone = Zone(*records) if records else self.zone
        failure = self.failureResultOf(Deferred.fromCoroutine(self.resolver().hosts(domain)), RemoteRefusal)
        refusal = failure.value
        assert isinstance(refusal, RemoteRefusal)
        self.assertFalse(refusal.by_remote)
        return f"{refusal.reply.code} {refusal.reply.status}"

    def test_hosts_come_by_preference_with_the_addresses_of_both_families(self) -> None:
        hosts = self.hosts(
            "there.example",
            ("there.example", "MX", "20 b.there.example"),
            ("there.example", "MX", "10 A.there.example."),
            ("a.there.example", "A", "192.0.2.1"),
            ("a.there.example", "AAAA", "2001:db8::1"),
            ("b.there.example", "A", "192.0.2.2"),
        )
        self.assertEqual(
            [("a.there.example", ("192.0.2.1", "2001:db8::1")), ("b.there.example", ("192.0.2.2",))], hosts
        )

    def test_domain_without_mx_is_its_own_server(self) -> None:
        self.assertEqual(
            [("there.example", ("2001:db8::1",))], self.hosts("there.example", ("there.example", "AAAA", "2001:db8::1"))
        )

    def test_null_mx_takes_no_mail_even_where_there_is_an_address(self) -> None:
        records = (("there.example", "MX", "0 "), ("there.example", "A", "192.0.2.1"))
        self.assertEqual("556 5.1.10", self.refusal("there.example", *records))

    def test_null_mx_beside_others_is_ignored(self) -> None:
        hosts = self.hosts(
            "there.example",
            ("there.example", "MX", "0 "),
            ("there.example", "MX", "5 a.there.example"),
            ("a.there.example", "A", "192.0.2.1"),
        )
        self.assertEqual(["a.there.example"], [name for name, _ in hosts])

    def test_domain_that_does_not_exist_is_refused_for_good(self) -> None:
        self.zone.table["MX", "there.example"] = NXDOMAIN
        self.assertEqual("550 5.1.2", self.refusal("there.example"))
        self.assertEqual(["MX there.example"], self.zone.asked)

    def test_domain_without_any_records_is_refused_for_good(self) -> None:
        self.assertEqual("550 5.4.4", self.refusal("there.example"))

    def test_servers_that_do_not_exist_are_refused_for_good(self) -> None:
        self.zone = Zone(("there.example", "MX", "10 gone.example"), ("there.example", "A", "192.0.2.1"))
        self.zone.table["A", "gone.example"] = self.zone.table["AAAA", "gone.example"] = NXDOMAIN
        self.assertEqual("550 5.4.4", self.refusal("there.example"))

    def test_mx_that_cannot_be_looked_up_is_asked_again_later(self) -> None:
        for trouble in (SERVFAIL, SILENCE, error.DNSQueryRefusedError(), OSError("no network")):
            self.zone = Zone(("there.example", "A", "192.0.2.1"))
            self.zone.table["MX", "there.example"] = trouble
            self.assertEqual("451 4.4.3", self.refusal("there.example"), trouble)

    def test_addresses_that_cannot_be_looked_up_are_asked_again_later(self) -> None:
        self.zone = Zone(("there.example", "MX", "10 a.there.example"))
        self.zone.table["A", "a.there.example"] = SERVFAIL
        self.assertEqual("451 4.4.3", self.refusal("there.example"))

    def test_one_server_or_family_that_can_be_looked_up_is_enough(self) -> None:
        self.zone = Zone(
            ("there.example", "MX", "10 a.there.example"),
            ("there.example", "MX", "20 b.there.example"),
            ("b.there.example", "A", "192.0.2.2"),
        )
        self.zone.table["A", "a.there.example"] = SERVFAIL
        self.zone.table["AAAA", "b.there.example"] = SILENCE
        self.assertEqual([("b.there.example", ("192.0.2.2",))], self.hosts("there.example"))

    def test_this_server_by_name_cuts_off_itself_and_those_behind_it(self) -> None:
        hosts = self.hosts(
            "there.example",
            ("there.example", "MX", "10 a.there.example"),
            ("there.example", "MX", "20 b.there.example"),
            ("there.example", "MX", "20 us.example"),
            ("there.example", "MX", "30 c.there.example"),
            ("a.there.example", "A", "192.0.2.1"),
            ("b.there.example", "A", "192.0.2.2"),
            ("c.there.example", "A", "192.0.2.3"),
            ("us.example", "A", "192.0.2.4"),
        )
        self.assertEqual(["a.there.example"], [name for name, _ in hosts])

    def backup(self, trouble: Exception) -> None:
        """This server is the second one; of the first nothing is known just now."""
        self.zone = Zone(
            ("there.example", "MX", "10 first.example"),
            ("there.example", "MX", f"20 {HOSTNAME}"),
            ("there.example", "MX", "30 third.example"),
            (HOSTNAME, "A", "192.0.2.2"),
            ("third.example", "A", "192.0.2.3"),
        )
        self.zone.table["A", "first.example"] = self.zone.table["AAAA", "first.example"] = trouble

    def test_better_server_that_cannot_be_looked_up_is_waited_for(self) -> None:
        for trouble in (SERVFAIL, SILENCE):
            self.backup(trouble)
            self.assertEqual("451 4.4.3", self.refusal("there.example"))

    def test_better_server_is_looked_up_again_soon(self) -> None:
        self.backup(SERVFAIL)
        resolver = self.resolver()
        self.failureResultOf(Deferred.fromCoroutine(resolver.hosts("there.example")), RemoteRefusal)
        del self.zone.table["A", "first.example"], self.zone.table["AAAA", "first.example"]
        self.zone.add("first.example", "A", "192.0.2.1")
        self.clock.advance(TTL_BOUNDS[0])
        [host] = self.successResultOf(Deferred.fromCoroutine(resolver.hosts("there.example")))
        self.assertEqual("first.example", host.name)

    def test_better_server_that_has_no_address_is_a_loop(self) -> None:
        self.backup(NXDOMAIN)
        self.assertEqual("554 5.4.6", self.refusal("there.example"))

    def test_this_server_is_found_by_its_name_whatever_its_addresses(self) -> None:
        for trouble in (SERVFAIL, NXDOMAIN):
            self.backup(NXDOMAIN)
            self.zone.table["A", "first.example"] = [dns.Record_A("192.0.2.1")]
            self.zone.table["A", HOSTNAME] = self.zone.table["AAAA", HOSTNAME] = trouble
            self.assertEqual([("first.example", ("192.0.2.1",))], self.hosts("there.example"))

    def test_domain_that_leads_back_here_is_a_loop(self) -> None:
        for address in ("127.0.0.1", "127.8.8.8", "0.0.0.0"):
            self.assertEqual("554 5.4.6", self.refusal("there.example", ("there.example", "A", address)), address)
        for address in ("::1", "::ffff:127.0.0.1"):
            self.assertEqual("554 5.4.6", self.refusal("there.example", ("there.example", "AAAA", address)), address)
        self.assertEqual("554 5.4.6", self.refusal("[127.0.0.1]"))

    def test_address_literals_need_no_dns(self) -> None:
        self.assertEqual([("[192.0.2.1]", ("192.0.2.1",))], self.hosts("[192.0.2.1]"))
        self.assertEqual([("[IPv6:2001:db8::1]", ("2001:db8::1",))], self.hosts("[IPv6:2001:db8::1]"))
        self.assertEqual([], self.zone.asked)

    def test_answer_is_remembered_as_long_as_its_records_say(self) -> None:
        self.zone = Zone(("there.example", "A", "192.0.2.1"))
        resolver = self.resolver()
        for seconds, questions in ((0, 3), (599, 3), (1, 6)):
            self.clock.advance(seconds)
            self.successResultOf(Deferred.fromCoroutine(resolver.hosts("there.example")))
            self.assertEqual(questions, len(self.zone.asked))

    def test_refusal_for_good_is_remembered_and_one_for_now_is_not(self) -> None:
        for trouble, questions in ((NXDOMAIN, 1), (SERVFAIL, 2)):
            self.zone = Zone()
            self.zone.table["MX", "there.example"] = trouble
            resolver = self.resolver()
            for _ in range(2):
                self.failureResultOf(Deferred.fromCoroutine(resolver.hosts("there.example")), RemoteRefusal)
            self.assertEqual(questions, len(self.zone.asked))

    def test_endless_list_of_servers_is_cut(self) -> None:
        records = [("there.example", "MX", f"{number} h{number}.example") for number in range(1000)]
        records += [(f"h{number}.example", "A", "192.0.2.1") for number in range(1000)]
        self.assertEqual(16, len(self.hosts("there.example", *records)))


class ChoiceTests(SynchronousTestCase):
    def test_equal_preferences_are_shuffled_and_others_are_not(self) -> None:
        exchanges = [Exchange(number // 4, MailHost(str(number), ("192.0.2.1",))) for number in range(8)]
        orders = set()
        for seed in range(50):
            hosts = choose("there.example", exchanges, lambda host: False, Random(seed))
            names = [host.name for host in hosts]
            self.assertEqual((set("0123"), set("4567")), (set(names[:4]), set(names[4:])))
            orders.add(tuple(names))
        self.assertGreater(len(orders), 10)

    def test_addresses_of_other_machines_are_not_ours(self) -> None:
        self.assertFalse(any(map(is_this_machine, ("192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"))))
