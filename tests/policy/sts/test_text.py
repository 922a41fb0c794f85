"""The record and the policy of MTA-STS: RFC 8461 §3.1, §3.2 and §4.1 as tables, and octets from anybody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import TestCase

from twisted_mail.policy.sts.text import MAX_AGE, MAX_SIZE, Mode, Policy, PolicyError, parse_policy, parse_record

GOOD = b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n"


class RecordTests(TestCase):
    def test_records(self) -> None:
        for texts, expected in (
            ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
            ([b"v=STSv1;id=1"], "1"),
            ([b"v=STSv1 ; x=y; id=A9"], "A9"),
            ([b"something else", b"v=STSv1; id=1"], "1"),
            ([b"v=STSv1; id=1", b"v=STSv1; id=2"], None),
            ([b"v=STSv1"], None),
            ([b"v=STSv1; id="], None),
            ([b"v=STSv1; id=a-b"], None),
            ([b"v=STSv1; id=" + b"1" * 33], None),
            ([b"id=1; v=STSv1"], None),
            ([b"v=STSv10; id=1"], None),
            ([b"\xff\x00"], None),
            ([], None),
        ):
            with self.subTest(texts=texts):
                self.assertEqual(expected, parse_record(texts))


class PolicyTests(TestCase):
    def test_policy_of_the_standard(self) -> None:
        expected = Policy(Mode.ENFORCE, 604_800, ("mail.example.com", "*.example.net"))
        self.assertEqual(expected, parse_policy(GOOD))
        self.assertEqual(expected, parse_policy(GOOD.replace(b"\n", b"\r\n")))

    def test_good_ones(self) -> None:
        for octets, expected in (
            (b"version:STSv1\nmode:none\nmax_age:0", Policy(Mode.NONE, 0, ())),
            (GOOD + b"mode: none\nfuture: x\n\n", Policy(Mode.ENFORCE, 604_800, ("mail.example.com", "*.example.net"))),
            (GOOD.replace(b"604800", b"9999999999"), Policy(Mode.ENFORCE, MAX_AGE, parse_policy(GOOD).hosts)),
            (GOOD.replace(b"mail.example.com", b"MAIL.Example.COM."), parse_policy(GOOD)),
        ):
            with self.subTest(octets=octets):
                self.assertEqual(expected, parse_policy(octets))

    def test_wrong_ones_are_refused(self) -> None:
        for old, new in (
            (b"version: STSv1", b"version: STSv2"),
            (b"version: STSv1\n", b""),
            (b"enforce", b"Enforce"),
            (b"mode: enforce\n", b""),
            (b"604800", b"-1"),
            (b"604800", b"1 week"),
            (b"max_age: 604800\n", b""),
            (b"mail.example.com", b"mail example"),
            (b"mail.example.com", b"mail.*.com"),
            (b"mail.example.com", b""),
            (b"mx: mail.example.com\nmx: *.example.net\n", b""),
            (b"\nmx", b"\n\xff"),
            (b"\n", b"\n" + b"x" * MAX_SIZE),
        ):
            with self.subTest(old=old, new=new):
                self.assertRaises(PolicyError, parse_policy, GOOD.replace(old, new, 1))

    def test_names_match_a_label_for_a_star_only(self) -> None:
        policy = Policy(Mode.ENFORCE, 1, ("mx.example.com", "*.example.net"))
        for name, allowed in (
            ("mx.example.com", True),
            ("MX.example.com.", True),
            ("mx2.example.com", False),
            ("a.example.net", True),
            ("a.b.example.net", False),
            ("example.net", False),
            ("net", False),
            ("", False),
        ):
            with self.subTest(name=name):
                self.assertEqual(allowed, policy.allows(name))

    def test_another_text_has_another_identifier(self) -> None:
        policies = [Policy(mode, age, ("mx.example.com",)) for mode in Mode for age in (1, 2)]
        self.assertEqual(len(policies), len({policy.identifier for policy in policies}))
        for policy in policies:
            self.assertEqual(policy.identifier, parse_record([f"v=STSv1; id={policy.identifier}".encode()]))


@given(st.lists(st.binary(max_size=100), max_size=3))
def test_any_records_are_an_identifier_or_none(texts: list[bytes]) -> None:
    found = parse_record([b"v=STSv1;" + text for text in texts])
    assert found is None or (found.isascii() and found.isalnum())


@given(
    st.lists(
        st.sampled_from([b"version: STSv1", b"mode: testing", b"max_age: 86400", b"mx: a.example", b"mx: *.b", b":"])
        | st.binary(max_size=40),
        max_size=8,
    )
)
def test_any_octets_are_a_policy_or_none(lines: list[bytes]) -> None:
    try:
        policy = parse_policy(b"\n".join(lines))
    except PolicyError:
        return
    assert policy.hosts
    assert parse_policy("\n".join(policy.lines).encode()) == policy
