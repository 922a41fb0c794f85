from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_mail.smtp.address import Address, AddressError, parse_address, parse_domain, parse_path

LONG_LABEL = "a" * 63
LONG_DOMAIN = ".".join([LONG_LABEL] * 3) + "." + "a" * 63  # 255 octets

GOOD = [
    ("<alice@example.org>", "alice", "example.org"),
    ("<Alice.Smith@EXAMPLE.ORG>", "Alice.Smith", "example.org"),
    ("<alice+shop@example.org>", "alice+shop", "example.org"),
    ("<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~", "example.org"),
    ('<"a b"@example.org>', "a b", "example.org"),
    ('<"a@b"@example.org>', "a@b", "example.org"),
    ('<"a\\"b\\\\c"@example.org>', 'a"b\\c', "example.org"),
    ('<"al\\ice"@example.org>', "alice", "example.org"),
    ('<"alice"@example.org>', "alice", "example.org"),
    ('<".."@example.org>', "..", "example.org"),
    ('<"<>"@example.org>', "<>", "example.org"),
    ("<user%elsewhere.example@example.org>", "user%elsewhere.example", "example.org"),
    ("<host!user@example.org>", "host!user", "example.org"),
    ('<"../../etc/passwd"@example.org>', "../../etc/passwd", "example.org"),
    ("<a/b@example.org>", "a/b", "example.org"),
    ("<alice@localhost>", "alice", "localhost"),
    ("<alice@my_host.example>", "alice", "my_host.example"),
    ("<alice@123.example>", "alice", "123.example"),
    ("<@a.example:alice@example.org>", "alice", "example.org"),
    ("<@a.example,@b.example:alice@example.org>", "alice", "example.org"),
    ("<alice@[192.0.2.1]>", "alice", "[192.0.2.1]"),
    ("<alice@[IPv6:2001:db8:0:0::1]>", "alice", "[IPv6:2001:db8::1]"),
    ("<alice@[ipv6:2001:DB8::1]>", "alice", "[IPv6:2001:db8::1]"),
    ("<alice@müller.example>", "alice", "xn--mller-kva.example"),
    ("<alice@XN--MLLER-KVA.example>", "alice", "xn--mller-kva.example"),
    ("<alice@mu\u0308ller.example>", "alice", "xn--mller-kva.example"),
    ("<用户@例え.テスト>", "用户", "xn--r8jz45g.xn--zckzah"),
    ("<postmaster>", "postmaster", ""),
    ("<PostMaster>", "postmaster", ""),
    (f"<{'a' * 64}@example.org>", "a" * 64, "example.org"),
    ("<" + "ü" * 32 + "@example.org>", "ü" * 32, "example.org"),
]

BAD = [
    "alice@example.org",
    "<alice@example.org",
    "alice@example.org>",
    "<alice>",
    "<@example.org>",
    "<alice@>",
    '<""@example.org>',
    "<alice@@example.org>",
    "<a@b@example.org>",
    "<.alice@example.org>",
    "<alice.@example.org>",
    "<a..b@example.org>",
    "<../../etc/passwd@example.org>",
    "<a b@example.org>",
    "<a(comment)@example.org>",
    "<a,b@example.org>",
    "<a;b@example.org>",
    "<a\\b@example.org>",
    "<a:b@example.org>",
    '<"a@example.org>',
    '<a"b"@example.org>',
    '<"a"b@example.org>',
    '<"a"."b"@example.org>',
    "<a\0b@example.org>",
    '<"a\0b"@example.org>',
    '<"a\nb"@example.org>',
    '<"a\\\nb"@example.org>',
    "<a\x7fb@example.org>",
    "<a\x85b@example.org>",
    "<a\ud800b@example.org>",
    "<alice@example..org>",
    "<alice@.example.org>",
    "<alice@example.org.>",
    "<alice@-example.org>",
    "<alice@example-.org>",
    "<alice@exa mple.org>",
    "<alice@exa/mple.org>",
    "<alice@../example.org>",
    "<alice@exa\0mple.org>",
    "<alice@example.org\n>",
    "<alice@[192.0.2.256]>",
    "<alice@[192.0.2.1>",
    "<alice@[192.0.02.1]>",
    "<alice@[2001:db8::1]>",
    "<alice@[IPv6:2001:db8::1%eth0]>",
    "<alice@[IPv6:::g]>",
    "<alice@[]>",
    "<alice@[example.org]>",
    "<@:alice@example.org>",
    "<@a.example alice@example.org>",
    "<@a.example:>",
    f"<{'a' * 65}@example.org>",
    "<" + "ü" * 33 + "@example.org>",
    f"<alice@{'a' * 64}.example>",
    f"<a@{LONG_DOMAIN}>",
    # full-width solidus, full stops and "one dot leader": what normalises to "/" and "." must not come back as that
    "<alice@ex\uff0fample.org>",
    "<alice@\uff0e\uff0e/example.org>",
    "<alice@\u2024\u2024.example>",
    "<alice@xn--\uff0f.example>",
]


@pytest.mark.parametrize(("path", "local_part", "domain"), GOOD)
def test_good_path_gives_the_address(path: str, local_part: str, domain: str) -> None:
    assert parse_path(path) == Address(local_part, domain)


@pytest.mark.parametrize("path", BAD)
def test_bad_path_is_refused_with_a_reason(path: str) -> None:
    with pytest.raises(AddressError, match=r"^[a-zA-Z]"):
        parse_path(path)


def test_null_path_is_no_address() -> None:
    assert parse_path("<>") is None


def test_domain_of_255_octets_is_the_longest() -> None:
    assert parse_domain(LONG_DOMAIN) == LONG_DOMAIN
    with pytest.raises(AddressError):
        parse_domain(LONG_DOMAIN[:-1] + ".a")


def test_path_of_256_octets_is_the_longest() -> None:
    domain = f"{LONG_LABEL}.{LONG_LABEL}.{LONG_LABEL}"
    assert parse_path(f"<{'a' * 62}@{domain}>") is not None
    with pytest.raises(AddressError):
        parse_path(f"<{'a' * 63}@{domain}>")


def test_key_is_the_same_for_all_spellings_of_an_account() -> None:
    first, *others = (
        parse_address(text) for text in ("jürgen@example.org", "JÜRGEN@Example.org", "ju\u0308rgen@example.org")
    )
    assert {first.key} == {other.key for other in others}


@pytest.mark.parametrize(("path", "local_part", "domain"), GOOD)
def test_address_as_text_is_an_address_again(path: str, local_part: str, domain: str) -> None:
    address = Address(local_part, domain)
    assert parse_path(f"<{address}>") == address


@given(st.text(max_size=80))
@example("\ud800")
@example("a@\u00df.example")
@example("a@xn--a.example")
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    """Nothing else is raised, and what is taken cannot leave its line or its path, and reads the same again."""
    for spelling in (text, f"<{text}>", f"<{text}@example.org>", f"<alice@{text}>"):
        try:
            address = parse_path(spelling)
        except AddressError:
            continue
        if address is not None:
            assert parse_path(f"<{address}>") == address
            assert address.domain.isascii()
            assert "/" not in address.domain
            assert not {"\r", "\n", "\0"} & set(str(address))
