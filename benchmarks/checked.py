"""What the checks of mail from strangers cost: ours with all of them, against Postfix that verifies DKIM only.

    python -m benchmarks.checked [--pairs 3] [--quick] [--workers 1]

W2 (4 KiB, 20 connections, 100 messages each) with a message that has a good DKIM signature (RSA-2048), from a client
that is not trusted.  Our server asks BIND on loopback for the client's name, SPF, the key and DMARC; Postfix asks
opendkim as a milter, and does no SPF.  opendkim has the key in a file, which is the faster for it: its resolver fails
now and then where twenty messages come at a time.  Needs root, Postfix, opendkim and named; what is printed is the
median and the ratio pair by pair: over 1, ours is better.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from email.utils import formatdate
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from benchmarks.load import machine
from benchmarks.processes import cpu
from benchmarks.servers import USERS, Server, free_port, missing, ours, postfix
from benchmarks.wire import Sender
from benchmarks.workloads import KIB, Sending
from twisted_mail.policy.dkim.algorithms import Algorithm, new_key
from twisted_mail.policy.dkim.canonical import body_hashes
from twisted_mail.policy.dkim.keyrecord import record_text
from twisted_mail.policy.dkim.sign import WHOLE_BODY, SigningKey, sign_message

SENDER = "client.example.test"
"""The name of the client, and the domain of the sender (benchmarks/wire.py)."""
QUICK = 0.1

NAMED = """options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  pid-file none; session-keyfile "{folder}/session.key"; recursion no; dnssec-validation no; notify no; }};
controls {{ }};
zone "test" {{ type primary; file "{folder}/zone"; }};
zone "1.0.0.127.in-addr.arpa" {{ type primary; file "{folder}/reverse"; }};
"""
SOA = "$TTL 3600\n@ SOA ns.test. root.test. 1 3600 600 86400 60\n@ NS ns.test.\n"
ZONE = """ns A 127.0.0.1
client.example A 127.0.0.1
client.example TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.client.example TXT "v=DMARC1; p=reject"
s1._domainkey.client.example TXT {key}
"""
OPENDKIM = """Syslog no
Mode v
Socket inet:{port}@127.0.0.1
InternalHosts 192.0.2.1
AlwaysAddARHeader yes
TestPublicKeys {folder}/keys
"""
CHECKS = '[checks]\ntrusted = []\n[dns]\nservers = ["127.0.0.1:{port}"]\n'
MILTER = "smtpd_milters = inet:127.0.0.1:{port}\nmilter_default_action = tempfail\n"


def signed_letter(key: SigningKey) -> bytes:
    """As it goes over the wire."""
    names = f"From: <s@{SENDER}>\nTo: <u0@example.test>\nMessage-ID: <1@{SENDER}>\n"
    header = f"{names}Date: {formatdate()}\nSubject: benchmark\n\n".encode()
    body = (b"x" * 76 + b"\n") * (4 * KIB // 78)
    digest = body_hashes([body], [WHOLE_BODY])[WHOLE_BODY].digest()
    return (sign_message(header, digest, (key,), time.time()) + header + body).replace(b"\n", b"\r\n")


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def name_server(folder: Path, key: SigningKey) -> Iterator[int]:
    """Its port."""
    port = free_port()
    text = record_text(key.key)
    strings = " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))
    (folder / "zone").write_text(SOA + ZONE.format(key=strings))
    (folder / "reverse").write_text(f"{SOA}@ PTR {SENDER}.\n")
    (folder / "named.conf").write_text(NAMED.format(folder=folder, port=port))
    with running(["named", "-g", "-n", "1", "-c", str(folder / "named.conf")], folder / "named.log"):
        question = dns.message.make_query(SENDER, "TXT")
        for _ in range(100):
            with suppress(dns.exception.DNSException, OSError):
                if dns.query.udp(question, "127.0.0.1", timeout=0.5, port=port).answer:
                    break
            time.sleep(0.1)
        yield port


@contextmanager
def with_opendkim(folder: Path, key: SigningKey) -> Iterator[tuple[Server, list[int]]]:
    """Postfix, and the processes that work for it."""
    folder.mkdir()
    port = free_port()
    (folder / "keys").write_text(f"s1._domainkey.{SENDER} {record_text(key.key)}\n")
    (folder / "opendkim.conf").write_text(OPENDKIM.format(folder=folder, port=port))
    command = ["opendkim", "-f", "-x", str(folder / "opendkim.conf")]
    with ExitStack() as stack:
        milter = stack.enter_context(running(command, folder / "opendkim.log"))
        for _ in range(100):  # it does not greet
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                break
            time.sleep(0.1)
        server = stack.enter_context(postfix(folder / "postfix", None, MILTER.format(port=port)))
        yield server, [server.pid, milter.pid]


@contextmanager
def with_checks(folder: Path, dns_port: int, workers: int) -> Iterator[tuple[Server, list[int]]]:
    folder.mkdir()
    settings = folder / "settings"
    settings.write_text(CHECKS.format(port=dns_port))
    with ours(folder / "server", None, workers, settings) as server:
        yield server, [server.pid]


def warm_up(server: Server, text: bytes) -> None:
    """What is loaded and looked up at first is not what is measured; and opendkim fails if many ask at that moment."""
    with Sender(server.smtp_port) as sender:
        for user in range(3):
            sender.deliver([server.address(user).encode()], text, pipelined=False)
        sender.quit()


def passed(server: Server) -> bool:
    """Whether a message that was stored has been found to be good: else something else would be measured."""
    files = [file for user in range(USERS) for file in server.maildir(user).glob("new/*")]
    return bool(files) and all(b"dkim=pass" in file.read_bytes()[:4096] for file in files[:20])


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checked", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one pair")
    parser.add_argument("--workers", type=int, default=1, help="processes of our server")
    parser.add_argument("--folder", default="/var/tmp", help="on the file system to measure")
    options = parser.parse_args()
    lacking = [missing("postfix")] + [f"no {each}" for each in ("opendkim", "named") if shutil.which(each) is None]
    if any(lacking):
        parser.error(", ".join(filter(None, lacking)))
    pairs, part = (1, QUICK) if options.quick else (options.pairs, 1.0)
    key = SigningKey(SENDER, "s1", new_key(Algorithm.RSA))
    work = Sending(5000, each=100, text=signed_letter(key))
    print(f"{time.strftime('%d %b %Y %H:%M')}, {machine()}, {options.workers} worker(s), {pairs} pair(s)\n")
    rates: dict[str, list[float]] = {"ours": [], "postfix": []}
    costs: dict[str, list[float]] = {"ours": [], "postfix": []}
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="mailserver-benchmark-", dir=options.folder))
        )
        folder.chmod(0o755)
        port = stack.enter_context(name_server(folder, key))
        for pair in range(pairs):
            for name in list(rates) if pair % 2 == 0 else list(reversed(rates)):  # whatever drifts, drifts for both
                place = folder / f"{name}-{pair}"
                start = with_checks(place, port, options.workers) if name == "ours" else with_opendkim(place, key)
                with start as (server, processes):
                    warm_up(server, work.text)
                    before = sum(map(cpu, processes))
                    figures = work(server, part)
                    costs[name].append((sum(map(cpu, processes)) - before) / (work.messages * part) * 1000)
                    rates[name].append(figures.rate)
                    if not passed(server):
                        raise SystemExit(f"{name} has not found the signature to be good, see {place}")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print("| stored/s: ours | Postfix with opendkim | ratio (range) | CPU |\n|---:|---:|---|---:|")
    median = {name: statistics.median(values) for name, values in rates.items()}
    shares = [a / b for a, b in zip(*costs.values(), strict=True)]
    print(
        f"| {median['ours']:.0f} | {median['postfix']:.0f} | {statistics.median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f}) | {statistics.median(shares):.2f} |"
    )


if __name__ == "__main__":
    main()
