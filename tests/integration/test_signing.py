"""What leaves the real server is signed: dkimpy and OpenDKIM say so of what lies in the other server's Maildir."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.certificate import Authority
from tests.integration.process import DOMAIN, PASSWORD_HASH, ServerProcess, User
from tests.integration.requirements import require_program
from tests.integration.test_outgoing import send, wait_for_mail
from tests.integration.test_relay import Sink
from tests.integration.test_submission import connect, letter
from tests.integration.wire import send_exactly
from tests.integration.zones import Zones
from tests.policy.dkim.zones import keys, on_the_wire, shown, zone_of

STRANGER = b"From: carol@elsewhere.example\r\nTo: info@example.org\r\nSubject: hello\r\n\r\nA letter.\r\n"


@dataclass(frozen=True)
class Pair:
    """Two running servers: all that leaves the first goes to the second."""

    here: ServerProcess
    there: ServerProcess
    zones: Zones
    """What the first one asks DNS."""
    seven_bit: Sink
    """It takes mail for seven.example, in 7-bit text only."""
    readers: Iterator[User]
    """Accounts there, for one test each."""


@pytest.fixture(scope="module")
def pair(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as stack:
        there, here = ServerProcess(authority), ServerProcess(authority)
        stack.callback(there.close)
        stack.callback(here.close)
        zones = stack.enter_context(Zones({}))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="mailserver-")))
        folder.chmod(0o755)  # the sink has no rights of its own
        seven_bit = stack.enter_context(Sink(folder, "-8"))
        readers = [User(f"carol{number}@elsewhere.example") for number in range(10)]
        table = tmp_path_factory.mktemp("users") / "users.csv"
        table.write_text("".join(f'{user.address},"{PASSWORD_HASH}"\n' for user in readers))
        there.admin("domain", "add", "elsewhere.example")
        there.admin("account", "import", str(table))
        relay = f'[relay]\nsmarthost = "tcp:127.0.0.1:{there.ports.smtp}"\nretry = ["1 second"]\n'
        routes = f'[routes]\n"seven.example" = "tcp:127.0.0.1:{seven_bit.port}"\n'
        here.configure(f"{zones.settings}\n{relay}\n{routes}")
        here.create_accounts(10)
        here.start()
        there.start()
        yield Pair(here, there, zones, seven_bit, iter(readers))
        here.stop()
        there.stop()


@pytest.fixture
def here(pair: Pair) -> ServerProcess:
    return pair.here


@pytest.fixture
def there(pair: Pair) -> ServerProcess:
    return pair.there


@pytest.fixture
def carol(pair: Pair) -> User:
    return next(pair.readers)


@pytest.fixture
def info(pair: Pair, carol: User) -> User:
    """An alias that leads to her."""
    alias = User(f"to-{carol.local_part}@{DOMAIN}")
    pair.here.admin("alias", "add", alias.address, carol.address)
    return alias


def records(server: ServerProcess) -> dict[str, str]:
    """What `mailserver dkim show` says is to be published."""
    return {row["name"]: row["value"] for row in json.loads(server.admin("dkim", "show", "--json").stdout)}


def stored(server: ServerProcess, user: User) -> list[bytes]:
    """The user's messages as they lie on disk, oldest first, with CRLF."""
    folder = server.maildirs.joinpath(*reversed(user.address.split("@")))
    return [path.read_bytes().replace(b"\n", b"\r\n") for path in sorted(folder.glob("new/*"))]


def verdicts(octets: bytes, published: dict[str, str], count: int = 2) -> list[str]:
    """dkimpy's, with algorithm and domain, of the uppermost signatures."""
    said = []
    header = octets.partition(b"\r\n\r\n")[0] + b"\r\n"
    fields = re.findall(rb"(?m)^DKIM-Signature:(?:.*\r\n)(?:[ \t].*\r\n)*", header)
    for index, field in enumerate(fields[:count]):
        tags = dict(re.findall(rb"\b([ad])=([a-z0-9.-]+)", field))
        good = dkim.DKIM(octets).verify(index, lambda name, timeout: published[name.decode().rstrip(".")].encode())
        said.append(f"{tags[b'a'].decode()} {tags[b'd'].decode()} {'pass' if good else 'fail'}")
    return said


FORMS = ("simple", "relaxed")
BOTH = ["ed25519-sha256 example.org pass", "rsa-sha256 example.org pass"]


def test_submission_is_signed_as_it_lies_in_the_other_maildir(
    here: ServerProcess, there: ServerProcess, carol: User
) -> None:
    send(here, here.new_user(), carol.address)
    wait_for_mail(there, carol)
    (octets,) = stored(there, carol)
    assert verdicts(octets, records(here)) == BOTH
    with pytest.raises(dkim.ValidationError):
        verdicts(octets.replace(b"A letter.", b"A lecter."), records(here))


def test_large_and_eight_bit_messages_are_signed_too(here: ServerProcess, there: ServerProcess, carol: User) -> None:
    alice = here.new_user()
    with connect(here, "submission") as client:
        client.login(alice.address, alice.password)
        message = letter(alice.address, carol.address, Subject="Grüße")
        message.set_content("Viele Grüße  \n\n" * 60_000, cte="8bit")
        assert message.as_bytes().count(b"\xc3") > 100
        client.send_message(message, alice.address, [carol.address])
    wait_for_mail(there, carol)
    (octets,) = stored(there, carol)
    assert len(octets) > 512 * 1024  # it was in a temporary file
    assert verdicts(octets, records(here)) == BOTH


def test_mail_of_programs_is_signed(here: ServerProcess, there: ServerProcess, carol: User) -> None:
    here.admin("send", "-f", f"cron@{DOMAIN}", carol.address, stdin="Subject: done\n\nDone.\n")
    wait_for_mail(there, carol)
    (octets,) = stored(there, carol)
    assert verdicts(octets, records(here)) == BOTH


def test_report_is_signed(here: ServerProcess, there: ServerProcess, carol: User) -> None:
    nowhere = User(f"nowhere@{DOMAIN}")
    here.admin("alias", "add", nowhere.address, "nobody@elsewhere.example")
    assert send_exactly(here, STRANGER, nowhere, sender=carol.address).startswith("250 ")
    octets = wait_for_mail(there, carol)
    assert b"multipart/report" in octets
    (octets,) = stored(there, carol)
    assert verdicts(octets, records(here)) == BOTH


def test_answer_of_who_is_away_is_signed(here: ServerProcess, there: ServerProcess, carol: User) -> None:
    away = here.new_user()
    here.admin("account", "vacation", away.address, "--set", "-", stdin="I am at the sea.\n")
    message = STRANGER.replace(b"info@example.org", away.address.encode())
    assert send_exactly(here, message, away, sender=carol.address).startswith("250 ")
    assert b"at the sea" in wait_for_mail(there, carol)
    (octets,) = stored(there, carol)
    assert verdicts(octets, records(here)) == BOTH


def test_forward_is_sealed_and_signed_in_the_name_of_who_forwards(
    here: ServerProcess, there: ServerProcess, carol: User, info: User
) -> None:
    # from this machine, which is not checked: nobody knows whose word it is
    forged = b"Authentication-Results: mail.example.org; dmarc=pass\r\n"
    assert send_exactly(here, forged + STRANGER, info, sender="dave@third.example").startswith("250 ")
    wait_for_mail(there, carol)
    (octets,) = stored(there, carol)
    published = records(here)
    assert verdicts(octets, published) == BOTH
    said, _, why = dkim.ARC(octets).verify(lambda name, timeout: published[name.decode().rstrip(".")].encode())
    assert (said, why) == (b"pass", "success")
    assert b"ARC-Authentication-Results: i=1; mail.example.org; arc=none\r\n" in octets


def test_forgery_that_is_forwarded_is_sealed_and_not_signed(
    here: ServerProcess, there: ServerProcess, carol: User, info: User
) -> None:
    forged = STRANGER.replace(b"carol@elsewhere.example", b"ceo@example.org")
    assert send_exactly(here, forged, info, sender="dave@third.example").startswith("250 ")
    octets = wait_for_mail(there, carol)
    assert b"ARC-Seal" in octets
    assert b"DKIM-Signature" not in octets


def test_keys_are_rotated_under_the_running_server(
    here: ServerProcess, there: ServerProcess, carol: User, pair: Pair
) -> None:
    alice = here.new_user()
    first = set(records(here))
    assert "publish these records" in here.admin("dkim", "rotate", "example.org").stdout
    assert "is not there" in here.admin("dkim", "rotate", "example.org").stdout
    send(here, alice, carol.address)
    pair.zones.records.update({name: {"TXT": [value]} for name, value in records(here).items()})
    assert "signs with its new keys from now on" in here.admin("dkim", "rotate", "example.org").stdout
    wait_for_mail(there, carol)
    send(here, alice, carol.address)
    wait_for_mail(there, carol, 2)
    before, after = stored(there, carol)
    new = set(records(here)) - first
    for octets, names in ((before, first), (after, new)):
        assert verdicts(octets, {name: records(here)[name] for name in names}) == BOTH
    assert "wait until" in here.admin("dkim", "rotate", "example.org").stdout


def test_what_is_encoded_anew_for_a_server_without_8bitmime_is_signed_again(pair: Pair, here: ServerProcess) -> None:
    alice = here.new_user()
    message = letter(alice.address, "x@seven.example", Subject="letter")
    message.set_content("Viele Grüße\n", cte="8bit")
    with connect(here, "submission") as client:
        client.login(alice.address, alice.password)
        client.send_message(message, alice.address, ["x@seven.example"])
    deadline = time.monotonic() + 30
    while not (dumps := pair.seven_bit.dumps()):
        assert time.monotonic() < deadline, here.log_text()
        time.sleep(0.05)
    octets = dumps[0].encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert b"Viele Gr=C3=BC=C3=9Fe" in octets
    assert octets.count(b"\r\nDKIM-Signature:") == 4
    assert verdicts(octets, records(here), 2) == BOTH


def test_opendkim_agrees(here: ServerProcess, there: ServerProcess, carol: User, tmp_path: Path) -> None:
    program = require_program("opendkim")
    send(here, here.new_user(), carol.address)
    wait_for_mail(there, carol)
    (octets,) = stored(there, carol)
    (tmp_path / "message").write_bytes(octets)
    keys = (f"{name} {value}\n" for name, value in records(here).items())
    (tmp_path / "keys").write_text("".join(keys))
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys\nTemporaryDirectory {tmp_path}\n")
    command = [program, "-vv", "-x", str(tmp_path / "conf"), "-t", str(tmp_path / "message")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    results = [f"header.a={algorithm}" for algorithm in ("ed25519-sha256", "rsa-sha256")]
    assert done.returncode == 0, done.stdout + done.stderr
    for result in results:
        assert re.search(f"dkim=pass [^;]*{result}", done.stdout), done.stdout


@pytest.mark.parametrize("forms", [f"{header}/{body}" for header in FORMS for body in FORMS])
def test_signature_of_opendkim_holds_here(tmp_path: Path, forms: str) -> None:
    program = require_program("opendkim")
    key = keys()[1]
    pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (tmp_path / "key").write_bytes(pem)
    # one space after a colon: its test mode, as a milter does, loses others
    text = b"From: a@example.org\nDate: Sat, 21 Nov 2026 05:40:00 +0000\nSubject: hi  there\n\nHello  \n\n there \t\n\n"
    (tmp_path / "message").write_bytes(on_the_wire(text))
    (tmp_path / "conf").write_text(
        f"Mode s\nDomain {key.domain}\nSelector {key.selector}\nKeyFile {tmp_path}/key\nRequireSafeKeys no\n"
        f"SignatureAlgorithm rsa-sha256\nCanonicalization {forms}\nTemporaryDirectory {tmp_path}\n"
    )
    command = [program, "-v", "-x", str(tmp_path / "conf"), "-t", str(tmp_path / "message")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    made = done.stdout[done.stdout.index("DKIM-Signature:") :].replace("\r", "").rstrip("\n").encode() + b"\n" + text
    assert f"c={forms}".encode() in made
    assert shown(made, zone_of(), time.time()) == ["pass"]
    assert shown(made.replace(b"there", b"where"), zone_of(), time.time()) == ["fail"]
