"""Keys as files: closed to others, found again, and seen by the server when they change."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest
from twisted.logger import LogLevel, capturedLogs

from tests.policy.dkim.zones import NOW
from twisted_mail.policy.dkim.algorithms import Algorithm, algorithm_of
from twisted_mail.policy.dkim.keystore import ActiveKeys, KeyStore, KeyStoreError
from twisted_mail.policy.dkim.rotation import KeyPair, Stage

OLD = KeyPair("20260101", Stage.OLD, int(NOW))
ACTIVE = KeyPair("20261121", Stage.ACTIVE, int(NOW))
NEW = KeyPair("20261122", Stage.NEW, int(NOW))


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(str(tmp_path / "keys" / "dkim"))


def test_domain_without_keys_has_none(store: KeyStore) -> None:
    assert store.domains() == []
    assert store.pairs("example.org") == ()
    assert ActiveKeys(store).of("example.org") == ()


def test_keys_are_for_the_owner_alone(store: KeyStore, tmp_path: Path) -> None:
    store.save("example.org", [ACTIVE])
    paths = [tmp_path / "keys", *(tmp_path / "keys").rglob("*")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert modes == {
        "keys": 0o700,
        "dkim": 0o700,
        "example.org": 0o700,
        "keys.json": 0o600,
        "20261121r.pem": 0o600,
        "20261121e.pem": 0o600,
    }


def test_what_is_saved_is_found_again(store: KeyStore) -> None:
    store.save("example.org", [OLD, ACTIVE])
    again = KeyStore(store.state_file("example.org").removesuffix("/example.org/keys.json"))
    assert again.pairs("example.org") == (OLD, ACTIVE)
    assert again.domains() == ["example.org"]
    keys = again.keys("example.org", ACTIVE)
    assert [(key.selector, algorithm_of(key.key)) for key in keys] == [
        ("20261121e", Algorithm.ED25519),
        ("20261121r", Algorithm.RSA),
    ]


def test_keys_of_a_pair_that_is_gone_are_removed_and_others_stay_the_same(store: KeyStore) -> None:
    store.save("example.org", [OLD, ACTIVE])
    before = Path(store.state_file("example.org")).with_name("20261121r.pem").read_bytes()
    store.save("example.org", [ACTIVE])
    folder = Path(store.state_file("example.org")).parent
    assert sorted(path.name for path in folder.iterdir()) == ["20261121e.pem", "20261121r.pem", "keys.json"]
    assert (folder / "20261121r.pem").read_bytes() == before


def test_server_sees_a_change_at_its_next_look(store: KeyStore) -> None:
    active = ActiveKeys(store)
    store.save("example.org", [ACTIVE, NEW])
    assert {key.selector for key in active.of("example.org")} == {"20261121r", "20261121e"}
    known = active.of("example.org")
    assert active.of("example.org") is known  # not read again
    store.save("example.org", [KeyPair("20261121", Stage.OLD, 1), KeyPair("20261122", Stage.ACTIVE, 1)])
    assert {key.selector for key in active.of("example.org")} == {"20261122r", "20261122e"}
    os.unlink(store.state_file("example.org"))
    assert active.of("example.org") == ()


@pytest.mark.parametrize("damage", ["keys.json", "20261121r.pem"])
def test_damaged_keys_are_told_and_nothing_is_signed(store: KeyStore, damage: str) -> None:
    store.save("example.org", [ACTIVE])
    Path(store.state_file("example.org")).with_name(damage).write_text("{}")
    with pytest.raises(KeyStoreError, match=damage):
        store.keys("example.org", store.pairs("example.org")[0])
    active = ActiveKeys(store)
    with capturedLogs() as logged:
        assert active.of("example.org") == ()
        assert active.of("example.org") == ()
    assert [event["log_level"] for event in logged] == [LogLevel.error]  # once, not for each message


def test_only_one_changes_the_keys_of_a_domain_at_a_time(store: KeyStore) -> None:
    with store.locked("example.org"), store.locked("example.net"):
        folder = os.open(os.path.dirname(store.state_file("example.org")), os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(folder)
