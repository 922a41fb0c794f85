"""The relay against servers that misbehave on command: who has the message, and what the queue hears of it."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.peers import DROP, HANG, FixedHosts, Network, Peer, client_options
from tests.support import code_of
from tests.targets import ORIGIN, message
from twisted_mail.content import Message
from twisted_mail.delivery.attempt import MAX_RECIPIENTS
from twisted_mail.delivery.relay import Relay
from twisted_mail.delivery.routes import Routes, parse_smarthost
from twisted_mail.interfaces import (
    Approach,
    Demand,
    IDeliveryTarget,
    IRelayDelivery,
    ISigner,
    ITransportPolicies,
    IWitness,
    MailHost,
    RemoteRefusal,
    Results,
)
from twisted_mail.protocols.destination import Destination, TLSUse, parse_destination
from twisted_mail.protocols.smtppool import ConnectionPool
from twisted_mail.smtp.address import Address, parse_address
from twisted_mail.smtp.envelope import DeliverBy, MailOptions, Origin, Overdue, Recipient
from twisted_mail.tlsoutcome import Flaw, Published, TLSFailure, TLSOutcome

SENDER = parse_address("a@us.example")
FIRST, SECOND = "192.0.2.1", "192.0.2.2"


@implementer(ISigner)
class Stamping:
    """Puts a field in front that says for whom."""

    async def sign_again(self, message: Message, origin: Origin, sender: Address | None) -> Message:
        return message.with_fields(f"Stamp: {sender} from {origin.peer}\n".encode())


class RelayCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.first, self.second = Peer(), Peer()
        self.network.peers = {(FIRST, 25): self.first, (SECOND, 25): self.second}
        servers = (MailHost("mx1.example", (FIRST,)), MailHost("mx2.example", (SECOND,)))
        self.resolver = FixedHosts({"there.example": servers})
        self.options = MailOptions()
        self.make_relay()

    def make_relay(self, routes: Routes | None = None, signer: ISigner | None = None) -> None:
        self.pool = ConnectionPool(client_options(self.network))
        self.relay = Relay(routes or Routes(), self.resolver, self.pool, signer=signer)

    def send(
        self, *recipients: str, text: Message | None = None, sender: Address | None = SENDER, patience: float = 3600.0
    ) -> dict[str, str]:
        """Recipient -> the code and enhanced code of what came of it; empty: a server has it."""
        results = self.results(*(recipients or ("b@there.example",)), text=text, sender=sender, patience=patience)
        return {str(each.address): code_of(error) for each, error in results.items()}

    def results(
        self, *recipients: str, text: Message | None = None, sender: Address | None = SENDER, patience: float = 3600.0
    ) -> Results:
        async def deliver() -> Results:
            self.delivery = await self.relay.begin(ORIGIN, sender, self.options)
            for recipient in recipients:
                await self.delivery.add_recipient(Recipient(parse_address(recipient)))
            return await self.delivery.deliver(text or message())

        return self.network.run(deliver(), patience)

    def refusal(self, *recipients: str) -> RemoteRefusal:
        (error,) = self.results(*(recipients or ("b@there.example",))).values()
        assert isinstance(error, RemoteRefusal)
        return error

    def taken(self) -> tuple[int, int]:
        """How many messages each server has."""
        return len(self.first.messages), len(self.second.messages)


class BrokenBody:
    def __init__(self, good: int) -> None:
        """It can be read *good* times."""
        self._left = good

    def __len__(self) -> int:
        return 6

    def pieces(self) -> Iterator[bytes]:
        self._left -= 1
        yield b"abc\n"
        if self._left < 0:
            raise OSError("broken")
        yield b"d\n"


def broken_message(good: int) -> Message:
    return Message("01" * 16, b"Subject: x\n\n", BrokenBody(good), 4)  # type: ignore[arg-type]


@implementer(IWitness)
class Vouching:
    def __init__(self, *names: str) -> None:
        self._names = names

    async def vouches_for(self, domain: str, host: MailHost) -> bool:
        return domain == "there.example" and host.name in self._names


@implementer(ITransportPolicies)
class Saying:
    """One thing of all servers."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand

    async def approach(self, domain: str, host: MailHost) -> Approach:
        flaw = Flaw(TLSFailure.OTHER, "not named") if self._demand is Demand.REFUSED else None
        return Approach(self._demand, "the test", published=Published("sts", flaw=flaw))


class OutcomeTests(RelayCase):
    """Who hears how TLS went."""

    def outcomes(self, demand: Demand, text: Message | None = None) -> list[tuple[str, str, str]]:
        """Domain, server and result type of what is told when a message is sent."""
        told: list[TLSOutcome] = []
        pool = ConnectionPool(client_options(self.network), told.append)
        self.relay = Relay(Routes(), self.resolver, pool, Vouching("mx1.example"), policies=Saying(demand))
        self.send(text=text)
        return [(each.domain, each.host, each.flaw.failure.value if each.flaw else "") for each in told]

    def test_connection_is_told_to_the_domain_and_not_its_messages(self) -> None:
        expected = [("there.example", "mx1.example", "starttls-not-supported")]
        self.assertEqual(expected, self.outcomes(Demand.NOTHING))
        self.assertEqual(expected, self.outcomes(Demand.TESTED))

    def test_servers_that_are_not_even_tried_are_told(self) -> None:
        expected = [("there.example", host, "validation-failure") for host in ("mx1.example", "mx2.example")]
        self.assertEqual(expected, self.outcomes(Demand.REFUSED))

    def test_message_that_waives_tls_or_demands_more_is_nobodys_business(self) -> None:
        self.assertEqual([], self.outcomes(Demand.CERTIFICATE, message(b"TLS-Required: No\n\nHello\n")))
        self.options = MailOptions(require_tls=True)
        self.assertEqual([], self.outcomes(Demand.NOTHING))


class OneServerTests(RelayCase):
    def test_message_goes_to_the_first_server_with_all_recipients(self) -> None:
        self.assertEqual(
            {"b@there.example": "", "c@there.example": ""}, self.send("b@there.example", "c@there.example")
        )
        text = b"Subject: hello\r\n\r\nHello\r\n"
        self.assertEqual([("a@us.example", ["b@there.example", "c@there.example"], text)], self.first.messages)
        self.assertEqual((1, 0), self.taken())

    def test_what_the_relay_provides(self) -> None:
        verifyObject(IDeliveryTarget, self.relay)
        self.send()
        verifyObject(IRelayDelivery, self.delivery)

    def test_null_sender_is_said_as_such(self) -> None:
        self.send(sender=None)
        self.assertEqual("", self.first.messages[0][0])

    def test_recipients_have_their_own_answers(self) -> None:
        self.first.replies = {"RCPT TO:<b": "550 5.1.1 Nobody", "RCPT TO:<c": "450 4.2.0 Later"}
        self.second.replies = {"RCPT TO:<c": "450 4.2.0 Later"}
        results = self.send("b@there.example", "c@there.example", "d@there.example")
        self.assertEqual(
            {"b@there.example": "550 5.1.1", "c@there.example": "450 4.2.0", "d@there.example": ""}, results
        )
        self.assertEqual((["d@there.example"], 1), (self.first.messages[0][1], len(self.first.messages)))
        self.assertNotIn("RCPT TO:<b@there.example>", self.second.heard)

    def test_next_message_uses_the_same_connection(self) -> None:
        for _ in range(3):
            self.send()
        self.assertEqual((1, 3), (self.first.connections, len(self.first.messages)))

    def test_connection_that_died_meanwhile_is_replaced_without_a_word(self) -> None:
        for offers in (("PIPELINING",), ()):
            self.first.offers = offers
            self.send()
            self.first.replies = {"*MAIL": DROP}
            self.assertEqual({"b@there.example": ""}, self.send())
        self.assertEqual((4, 0), self.taken())

    def test_many_recipients_are_split_over_transactions(self) -> None:
        many = [f"r{number}@there.example" for number in range(2 * MAX_RECIPIENTS + 5)]
        self.assertEqual({""}, set(self.send(*many).values()))
        self.assertEqual([100, 100, 5], [len(who) for _, who, _ in self.first.messages])

    def test_server_says_how_many_recipients_it_takes(self) -> None:
        self.first.offers = ("LIMITS RCPTMAX=2",)
        self.send(*(f"r{number}@there.example" for number in range(5)))
        self.assertEqual([2, 2, 1], [len(who) for _, who, _ in self.first.messages])
        self.assertEqual(1, self.first.connections)

    def test_those_who_were_too_many_follow_at_once(self) -> None:
        self.first.replies = {"*RCPT TO:<c": "452 4.5.3 Too many recipients"}
        self.assertEqual(
            {"b@there.example": "", "c@there.example": ""}, self.send("b@there.example", "c@there.example")
        )
        self.assertEqual([["b@there.example"], ["c@there.example"]], [who for _, who, _ in self.first.messages])

    def test_server_that_has_no_room_for_anybody_is_not_asked_forever(self) -> None:
        self.first.replies = self.second.replies = {"RCPT": "452 4.3.1 Disk full"}
        self.assertEqual({"b@there.example": "452 4.3.1"}, self.send())
        self.assertEqual(1, sum(line.startswith("RCPT") for line in self.first.heard))

    def test_success_is_reported_by_servers_that_offer_it(self) -> None:
        for offers, reported in ((("DSN",), True), ((), False)):
            self.first.offers = offers
            self.make_relay()
            self.results("b@there.example")
            self.assertEqual(reported, bool(self.delivery.reports_success))

    def test_who_wants_to_hear_of_each_relay_hears_it_from_us(self) -> None:
        for by, offers, reported in (
            (DeliverBy(60, Overdue.NOTIFY), ("DSN",), False),
            (DeliverBy(60, Overdue.NOTIFY), ("DSN", "DELIVERBY"), True),
            (DeliverBy(60, Overdue.RETURN), ("DSN", "DELIVERBY 10"), True),
            (DeliverBy(60, Overdue.RETURN, trace=True), ("DSN", "DELIVERBY"), False),
        ):
            self.first.offers = offers
            self.options = MailOptions(deliver_by=by)
            self.make_relay()
            self.assertEqual({"b@there.example": ""}, self.send())
            self.assertEqual(reported, bool(self.delivery.reports_success))

    def test_message_that_cannot_be_read_is_kept_and_said_to_be(self) -> None:
        with capturedLogs() as events:
            self.assertEqual({"b@there.example": "451 4.3.0"}, self.send(text=broken_message(0)))
        self.assertEqual(["the message cannot be read: broken"], [formatEvent(event) for event in events])
        self.assertEqual([], self.first.heard)

    def test_message_whose_text_breaks_off_ends_without_final_dot(self) -> None:
        self.assertEqual({"b@there.example": "451 4.3.0"}, self.send(text=broken_message(1)))
        self.assertIn("DATA", self.first.heard)
        self.assertEqual((0, 0), self.taken())

    def test_8bit_text_is_encoded_where_8bit_is_not_understood(self) -> None:
        self.first.offers = ()
        self.assertEqual({"b@there.example": ""}, self.send(text=message("Subject: x\n\nGrüße\n".encode())))
        ((_, _, text),) = self.first.messages
        self.assertIn(b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n", text)
        self.assertEqual("MAIL FROM:<a@us.example>", self.first.heard[1])

    def test_text_that_was_encoded_anew_is_signed_again_and_other_text_is_not(self) -> None:
        self.first.offers = ()
        for text, signed in (("Grüße", True), ("Gruss", False)):
            self.make_relay(signer=Stamping())
            self.send(text=message(f"Subject: x\n\n{text}\n".encode()))
            stamped = self.first.messages[-1][2].startswith(b"Stamp: a@us.example from 192.0.2.1\r\nSubject: x\r\n")
            self.assertEqual(signed, stamped, self.first.messages[-1])

    def test_8bit_text_that_must_not_be_changed_does_not_go_where_8bit_is_not_understood(self) -> None:
        self.first.offers = self.second.offers = ()
        signed = "Content-Type: multipart/signed; boundary=b\n\n--b\n\nGrüße\n--b--\n".encode()
        for text in (signed, "Subject: ü\n\nx\n".encode()):
            self.assertEqual({"b@there.example": "554 5.6.3"}, self.send(text=message(text)))
        self.assertIn("it is signed", str(next(iter(self.results("b@there.example", text=message(signed)).values()))))
        self.second.offers = ("8BITMIME",)
        self.make_relay()
        self.assertEqual({"b@there.example": ""}, self.send(text=message(signed)))
        self.assertEqual((0, 1), self.taken())

    def test_address_that_is_not_ascii_is_refused_alone(self) -> None:
        self.assertEqual(
            {"ä@there.example": "553 5.6.7", "b@there.example": ""}, self.send("ä@there.example", "b@there.example")
        )

    def test_message_that_needs_tls_does_not_go_without(self) -> None:
        self.options = MailOptions(require_tls=True)
        for witness, outcome, asked in (
            (None, "550 5.7.30", (0, 0)),
            (Vouching("mx2.example"), "550 5.7.10", (0, 1)),
            (Vouching("mx1.example", "mx2.example"), "550 5.7.10", (1, 2)),
        ):
            self.relay = Relay(Routes(), self.resolver, self.pool, witness)
            self.assertEqual({"b@there.example": outcome}, self.send())
            self.assertEqual(asked, (self.first.connections, self.second.connections))
        self.assertEqual((0, 0), self.taken())

    def test_message_that_needs_tls_does_not_go_to_a_smarthost_without(self) -> None:
        self.options = MailOptions(require_tls=True)
        self.make_relay(Routes(smarthost=Destination("smart.example", FIRST)))
        self.assertEqual({"b@there.example": "550 5.7.10"}, self.send())
        self.assertEqual((0, 0), self.taken())

    def test_domain_that_cannot_be_found_refuses_its_recipients_alone(self) -> None:
        results = self.send("b@there.example", "x@nowhere.example")
        self.assertEqual({"b@there.example": "", "x@nowhere.example": "550 5.1.2"}, results)

    def test_prepare_promises_and_commit_sends(self) -> None:
        before = (0, 0)

        async def in_two_steps() -> None:
            delivery = await self.relay.begin(ORIGIN, SENDER, MailOptions())
            await delivery.add_recipient(Recipient(parse_address("b@there.example")))
            self.assertEqual([None], list((await delivery.prepare(message())).values()))
            self.assertEqual(before, self.taken())
            await delivery.commit()

        self.network.run(in_two_steps())
        self.assertEqual((1, 0), self.taken())
        before = (1, 0)
        self.first.replies = {"RCPT": "550 5.1.1 Nobody"}
        with self.assertRaises(RemoteRefusal):
            self.network.run(in_two_steps())

    def test_cancelled_delivery_closes_its_connection(self) -> None:
        self.first.replies = {"DOT": HANG}

        async def deliver() -> None:
            delivery = await self.relay.begin(ORIGIN, SENDER, MailOptions())
            await delivery.add_recipient(Recipient(parse_address("b@there.example")))
            await delivery.deliver(message())

        delivering = self.network.begin(deliver())
        self.network.settle()
        delivering.cancel()
        self.failureResultOf(delivering, CancelledError)
        self.network.settle()
        self.assertEqual([], self.network.getDelayedCalls())


class NextServerTests(RelayCase):
    """RFC 5321 §5.1: which troubles lead to the next server, and which do not."""

    def outcome(self, **replies: str) -> tuple[str, tuple[int, int]]:
        """What came of a message, and who has it, where the first server has these *replies*."""
        self.setUp()
        self.first.replies = {key.replace("_", " "): reply for key, reply in replies.items()}
        return self.send()["b@there.example"], self.taken()

    def test_trouble_for_now_leads_on_at_each_stage(self) -> None:
        for command in ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "DOT"):
            for reply in ("421 4.3.2 closing", "450 4.2.0 later", "451", DROP, HANG, "999 what", "220-" + "x" * 5000):
                if command == "DOT" and reply in (DROP, HANG, "999 what", "220-" + "x" * 5000):
                    continue
                self.assertEqual(("", (0, 1)), self.outcome(**{command: reply}), f"{command} {reply[:20]}")

    def test_refusal_for_good_ends_it_once_the_message_was_offered(self) -> None:
        for command in ("MAIL", "RCPT", "DATA", "DOT"):
            self.assertEqual(("550 5.7.1", (0, 0)), self.outcome(**{command: "550 5.7.1 no"}), command)

    def test_server_that_speaks_to_nobody_leads_on(self) -> None:
        for replies in ({"BANNER": "554 5.3.2 no mail here"}, {"EHLO": "550 no", "HELO": "550 no"}):
            self.assertEqual(("", (0, 1)), self.outcome(**replies))

    def test_message_that_may_have_been_taken_waits(self) -> None:
        for reply in (DROP, HANG, "999 what", "220-" + "x" * 5000):
            self.assertEqual(("451 4.4.2", (1, 0)), self.outcome(DOT=reply), reply[:20])

    def test_server_that_does_not_answer_leads_on(self) -> None:
        del self.network.peers[FIRST, 25]
        self.assertEqual({"b@there.example": ""}, self.send())
        self.network.silent.add(FIRST)
        self.assertEqual({"b@there.example": ""}, self.send())

    def test_reply_of_100_000_lines_is_cut_off(self) -> None:
        self.assertEqual(("", (0, 1)), self.outcome(EHLO="\n".join(["250-more"] * 100_000)))

    def test_nobody_answers(self) -> None:
        self.network.peers = {}
        refusal = self.refusal()
        self.assertEqual("451 4.4.1", code_of(refusal))
        self.assertFalse(refusal.by_remote)
        self.assertEqual([FIRST, SECOND], self.network.dialled)

    def test_last_hope_counts_more_than_a_refusal_before(self) -> None:
        self.first.replies = {"BANNER": "554 5.7.1 go away"}
        del self.network.peers[SECOND, 25]
        self.assertEqual({"b@there.example": "451 4.4.1"}, self.send())
        self.second.replies = {"BANNER": "554 5.7.1 go away too"}
        self.network.peers[SECOND, 25] = self.second
        self.assertEqual({"b@there.example": "554 5.7.1"}, self.send())

    def test_what_a_server_said_counts_more_than_silence_after(self) -> None:
        self.first.replies = {"RCPT": "450 4.7.1 Greylisted"}
        del self.network.peers[SECOND, 25]
        refusal = self.refusal()
        self.assertEqual(("450 4.7.1", "mx1.example", True), (code_of(refusal), refusal.host, refusal.by_remote))

    def test_other_address_of_a_server_that_said_no_is_not_asked(self) -> None:
        self.resolver.table["there.example"] = (MailHost("mx1.example", (FIRST, SECOND)),)
        self.first.replies = {"RCPT": "450 4.7.1 Greylisted"}
        self.assertEqual({"b@there.example": "450 4.7.1"}, self.send())
        self.assertEqual([FIRST], self.network.dialled)

    def test_other_address_of_a_server_that_does_not_answer_is_asked(self) -> None:
        self.resolver.table["there.example"] = (MailHost("mx1.example", ("2001:db8::1", SECOND)),)
        self.assertEqual({"b@there.example": ""}, self.send())
        self.assertEqual(["2001:db8::1", SECOND], self.network.dialled)

    def test_endless_list_of_servers_is_not_tried_to_its_end(self) -> None:
        hosts = [MailHost(f"mx{number}.example", (f"198.51.100.{number}",)) for number in range(200)]
        self.resolver.table["there.example"] = hosts
        self.assertEqual({"b@there.example": "451 4.4.1"}, self.send())
        self.assertEqual(10, len(self.network.dialled))
        refusing = Peer(replies={"RCPT": "450 4.2.0 later"})
        self.network.peers = {(host.addresses[0], 25): refusing for host in hosts}
        self.send()
        self.assertEqual(3, refusing.connections)


class BrokenConnectionTests(RelayCase):
    """A break after each octet, in both directions: one copy at one server, or the queue waits."""

    TEXT = message(b"Subject: x\n\n.\nHello\n")

    def check(self, octets: int) -> None:
        outcome = self.send(text=self.TEXT)["b@there.example"]
        for peer in (self.first, self.second):
            for _, _, text in peer.messages:
                self.assertEqual(b"Subject: x\r\n\r\n..\r\nHello\r\n", text)
        match outcome:
            case "":
                self.assertEqual(1, sum(self.taken()), f"after {octets} octets")
            case "451 4.4.2":
                self.assertEqual(0, self.taken()[1], f"after {octets} octets: a second copy")
                # no answer to the whole message: whether it was taken is not known here
                self.assertIn("(the message", self.refusal_dialogue())
            case _:
                self.fail(f"after {octets} octets: {outcome}")

    def refusal_dialogue(self) -> str:
        return self.last.dialogue

    def send(self, *recipients: str, **options: object) -> dict[str, str]:  # type: ignore[override]
        results = self.results("b@there.example", text=self.TEXT)
        (error,) = results.values()
        if isinstance(error, RemoteRefusal):
            self.last = error
        return {"b@there.example": code_of(error)}

    def test_what_the_server_says_is_cut(self) -> None:
        outcomes = []
        for offers in (("PIPELINING",), ()):
            for octets in range(400):
                self.setUp()
                self.first.offers = offers
                self.first.cut_after = octets
                self.check(octets)
                outcomes.append(self.taken())
        self.assertLessEqual({(0, 1), (1, 0)}, set(outcomes))

    def test_what_the_server_hears_is_cut(self) -> None:
        outcomes = []
        for offers in (("PIPELINING",), ()):
            for octets in range(200):
                self.setUp()
                self.first.offers = offers
                self.first.deaf_after = octets
                self.check(octets)
                outcomes.append(self.taken())
        self.assertLessEqual({(0, 1), (1, 0)}, set(outcomes))


class ReportTests(RelayCase):
    def test_refusal_names_the_server_and_shows_what_was_said(self) -> None:
        self.first.replies = {"RCPT TO:<b": "550-5.1.1 Nobody\n550 5.1.1 at all", "RCPT TO:<c": "550 5.1.1 Nor this"}
        results = {str(who.address): error for who, error in self.results("b@there.example", "c@there.example").items()}
        refusal = results["b@there.example"]
        assert isinstance(refusal, RemoteRefusal)
        self.assertEqual(("mx1.example", True), (refusal.host, refusal.by_remote))
        self.assertEqual("Nobody\nat all", refusal.reply.text)
        self.assertIn("C: RCPT TO:<b@there.example>\n", refusal.dialogue)
        self.assertIn("S: 550-5.1.1 Nobody\nS: 550 5.1.1 at all\n", refusal.dialogue)
        self.assertNotIn("c@there.example", refusal.dialogue)

    def test_refusal_before_the_message_shows_what_was_said(self) -> None:
        self.first.replies = self.second.replies = {"BANNER": "554 5.7.1 go away"}
        refusal = self.refusal()
        self.assertEqual(("mx2.example", True), (refusal.host, refusal.by_remote))
        self.assertIn("S: 554 5.7.1 go away\n", refusal.dialogue)

    def test_silence_is_in_our_words(self) -> None:
        self.first.replies = self.second.replies = {"EHLO": HANG}
        refusal = self.refusal()
        self.assertEqual(("451 4.4.2", False), (code_of(refusal), refusal.by_remote))
        self.assertIn("mx2.example [192.0.2.2]:25", refusal.reply.text)
        self.assertIn("C: EHLO us.example\n(no answer within 300 seconds", refusal.dialogue)


class RoutesTests(RelayCase):
    def test_smarthost_takes_everything_that_has_no_route(self) -> None:
        inside = parse_destination(f"tcp:{SECOND}")
        routes = Routes({"inside.example": inside, ".inside.example": inside}, parse_smarthost(f"tcp:{FIRST}:25"))
        self.make_relay(routes)
        where = {"x@inside.example": 1, "x@a.b.inside.example": 1, "x@there.example": 0, "x@notinside.example": 0}
        for recipient, server in where.items():
            before = self.taken()
            self.assertEqual({recipient: ""}, self.send(recipient))
            self.assertEqual(1, self.taken()[server] - before[server], recipient)

    def test_sender_may_have_a_smarthost_of_its_own_or_none(self) -> None:
        everybody, own = parse_smarthost(f"tcp:{FIRST}"), parse_smarthost(f"tcp:{SECOND}")
        for by_sender, server in (
            ({}, 0),
            ({SENDER.domain: own}, 1),
            ({"other.example": own}, 0),
            ({SENDER.domain: None}, None),
        ):
            self.make_relay(Routes(smarthost=everybody, by_sender=by_sender))
            before = self.taken()
            result = self.send("b@elsewhere.example")
            if server is None:  # DNS has no such domain
                self.assertEqual({"b@elsewhere.example": "550 5.1.2"}, result)
            else:
                self.assertEqual(1, self.taken()[server] - before[server])

    def test_recipients_at_one_server_travel_together(self) -> None:
        self.make_relay(Routes(smarthost=parse_smarthost(f"tcp:{FIRST}")))
        self.send("b@there.example", "c@elsewhere.example")
        self.assertEqual([["b@there.example", "c@elsewhere.example"]], [who for _, who, _ in self.first.messages])

    def test_route_over_lmtp_has_an_answer_a_recipient(self) -> None:
        self.first.lmtp = True
        self.first.replies = {"DOT c": "452 4.2.2 Mailbox full", "DOT d": "550 5.7.1 Not you"}
        self.make_relay(Routes({"there.example": parse_destination(f"lmtp:tcp:{FIRST}:25")}))
        results = self.send("b@there.example", "c@there.example", "d@there.example")
        self.assertEqual(
            {"b@there.example": "", "c@there.example": "452 4.2.2", "d@there.example": "550 5.7.1"}, results
        )
        self.assertEqual("LHLO us.example", self.first.heard[0])

    def test_lmtp_answers_that_are_missing_leave_their_recipients_in_doubt(self) -> None:
        self.first.lmtp = True
        self.first.replies = {"DOT c": DROP}
        self.make_relay(Routes({"there.example": parse_destination(f"lmtp:tcp:{FIRST}:25")}))
        self.assertEqual(
            {"b@there.example": "", "c@there.example": "451 4.4.2"}, self.send("b@there.example", "c@there.example")
        )

    def test_login_that_fails_is_tried_again_later(self) -> None:
        self.network.peers["127.0.0.1", 25] = Peer(("AUTH PLAIN",), {"AUTH": "535 5.7.8 Wrong"})
        self.make_relay(Routes(smarthost=parse_smarthost("tcp:127.0.0.1", "user", "secret")))
        refusal = self.refusal()
        self.assertEqual(("451 4.7.0", False), (code_of(refusal), refusal.by_remote))
        self.assertIn("535 5.7.8 Wrong", refusal.reply.text)
        self.assertNotIn("AHVzZXIAc2VjcmV0", refusal.dialogue)

    def test_smarthost_with_a_password_needs_verified_tls_unless_it_is_here(self) -> None:
        for endpoint, user, use in (
            ("tcp:smtp.example.net:587", "user", TLSUse.VERIFIED),
            ("tls:smtp.example.net", "user", TLSUse.AT_ONCE),
            ("tcp:127.0.0.1:587", "user", TLSUse.OPPORTUNISTIC),
            ("tcp:smtp.example.net", "", TLSUse.OPPORTUNISTIC),
        ):
            self.assertIs(use, parse_smarthost(endpoint, user, "secret").tls, endpoint)

    def test_route_without_a_port_has_the_usual_one(self) -> None:
        self.assertEqual(Destination("mx.example", "mx.example", 25), parse_destination("tcp:mx.example"))
