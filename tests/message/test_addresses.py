"""Addresses of a field, also where it was written to hurt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted_mail.message.addresses import listed_addresses, shown_addresses


def test_names_and_addresses_of_all_fields() -> None:
    values = ["Alice <a@example.org>, b@example.org", "friends: c@example.org;"]
    assert listed_addresses(values) == [("Alice", "a@example.org"), ("", "b@example.org"), ("", "c@example.org")]


def test_comments_that_are_nested_without_end_have_no_address() -> None:
    for value in ("(" * 5000 + "a@example.org", "a@example.org" + "(" * 5000, "<" + "(" * 5000 + "a@example.org>"):
        # versions of the library differ in whether they say that there is one without an address
        assert [address for _, address in listed_addresses([value]) if address] == []


@given(st.text('()<>@,;:"\\.[] a', max_size=200))
def test_any_value_is_read(value: str) -> None:
    for name, address in listed_addresses([value]):
        assert isinstance(name, str)
        assert isinstance(address, str)
    assert all(shown_addresses(value))


def test_of_a_field_that_is_not_well_written_all_that_may_be_shown_is_named() -> None:
    """The library's parser names a little more in some of its versions."""
    for value, shown in (
        ('"x <c@example.org>" <a@example.org>, b@example.org', ["a@example.org", "b@example.org"]),
        ("c@example.org <a@example.org>", ["a@example.org"]),
        ("c@d < a@example.org >, <b@example.org>", ["a@example.org", "b@example.org"]),
        ("a@example.org b@example.org", ["a@example.org", "b@example.org"]),
        ("(" * 5000 + ")" * 5000 + "a@example.org", ["a@example.org"]),
        ("nobody", ["nobody"]),
        ("", []),
    ):
        assert set(shown) <= set(shown_addresses(value)), value[:60]
