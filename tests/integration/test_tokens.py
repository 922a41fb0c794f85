"""Logging in with the tokens of an issuer: curl as the client, a small issuer on loopback."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.integration.certificate import Authority
from tests.integration.process import DOMAIN, PASSWORD, ServerProcess, User
from tests.integration.requirements import require_program
from tests.integration.test_clients import run
from tests.integration.wire import Wire, base64_of, fetch

ALICE = User(f"alice@{DOMAIN}")
KEY = ec.generate_private_key(ec.SECP256R1())


class Issuer(BaseHTTPRequestHandler):
    """Discovery, keys and introspection."""

    def do_GET(self) -> None:
        url = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]  # an HTTPServer
        key = {**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one"}
        pages = {"/.well-known/openid-configuration": {"jwks_uri": f"{url}/keys"}, "/keys": {"keys": [key]}}
        self.give(pages[self.path])

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = self.headers["Authorization"] == "Basic " + base64.b64encode(b"mail:client+secret").decode()
        active = known and form["token"] == ["opaque"]
        self.give({"active": active, "email": ALICE.address} if active else {"active": False})

    def give(self, page: object) -> None:
        octets = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *about: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def started(authority: Authority, settings: str) -> ServerProcess:
    server = ServerProcess(authority)
    server.configure(settings)
    server.admin("domain", "add", DOMAIN)
    server.admin("account", "add", ALICE.address, "--password-stdin", stdin=PASSWORD)
    server.start()
    return server


@pytest.fixture(scope="module")
def server(authority: Authority, issuer: str) -> Iterator[ServerProcess]:
    server = started(authority, f'[oauth]\nissuer = "{issuer}"\naudience = "mail"\n')
    yield server
    server.stop()
    server.close()


def token(issuer: str, **changes: object) -> str:
    claims = {"iss": issuer, "aud": "mail", "exp": time.time() + 600, "email": ALICE.address} | changes
    return jwt.encode(claims, KEY, "ES256", {"kid": "one"})


def curl(server: ServerProcess, folder: Path, bearer: str) -> bytes:
    """Send one message and list what is there; what curl printed."""
    command = [require_program("curl"), "--silent", "--show-error", "--cacert", str(server.authority.file)]
    command += ["--oauth2-bearer", bearer, "--user", f"{ALICE.address}:"]
    file = folder / "letter"
    file.write_bytes(f"From: {ALICE.address}\r\nSubject: by token\r\n\r\nx\r\n".encode())
    send = ["--url", f"smtps://localhost:{server.ports.submissions}", "--upload-file", str(file)]
    run(folder, *command, *send, "--mail-from", ALICE.address, "--mail-rcpt", ALICE.address)
    return run(folder, *command, "--url", f"pop3s://localhost:{server.ports.pop3s}/")


def test_curl_sends_and_lists_with_a_token(server: ServerProcess, issuer: str, tmp_path: Path) -> None:
    before = len(fetch(server, ALICE))
    listing = curl(server, tmp_path, token(issuer))
    assert len(listing.splitlines()) == before + 1


REQUEST = {
    "OAUTHBEARER": f"n,a={ALICE.address},\x01auth=Bearer %s\x01\x01",
    "XOAUTH2": f"user={ALICE.address}\x01auth=Bearer %s\x01\x01",
}
ACKNOWLEDGEMENT = {"OAUTHBEARER": "\x01", "XOAUTH2": ""}


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_good_token_logs_in_at_once(server: ServerProcess, issuer: str, mechanism: str) -> None:
    request = base64_of(REQUEST[mechanism] % token(issuer))
    with Wire(server.ports.submissions, server.tls) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say(f"AUTH {mechanism} {request}").startswith("235 ")
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        assert wire.say(f"AUTH {mechanism}").startswith("+ ")
        assert wire.say(request).startswith("+OK")


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_bad_tokens_are_told_in_json_and_refused_like_passwords(
    server: ServerProcess, issuer: str, mechanism: str
) -> None:
    for bad in (token(issuer, aud="web"), token(issuer, email=f"bob@{DOMAIN}"), token(issuer, exp=1), "nonsense"):
        request = base64_of(REQUEST[mechanism] % bad)
        with Wire(server.ports.submissions, server.tls) as wire:
            wire.reply()
            assert mechanism in wire.say("EHLO client.example")
            told = wire.say(f"AUTH {mechanism} {request}")
            assert json.loads(base64.b64decode(told.removeprefix("334 ")))["status"] in ("invalid_token", "401")
            assert wire.say(base64_of(ACKNOWLEDGEMENT[mechanism])).startswith("535 5.7.8 ")
            assert wire.say("NOOP").startswith("250 ")
        with Wire(server.ports.pop3s, server.tls) as wire:
            wire.reply()
            assert wire.say(f"AUTH {mechanism}").startswith("+ ")
            assert wire.say(request).startswith("+ ")
            assert wire.say(base64_of(ACKNOWLEDGEMENT[mechanism])).startswith("-ERR [AUTH] ")


def test_issuer_is_asked_about_tokens_of_any_form(authority: Authority, issuer: str) -> None:
    server = ServerProcess(authority)
    try:
        (server.folder / "secret").write_text("client secret\n")
        server.configure(
            f'[oauth]\nissuer = "{issuer}"\nintrospection = "{issuer}/introspect"\n'
            'client_id = "mail"\nclient_secret_file = "secret"\n'
        )
        server.admin("domain", "add", DOMAIN)
        server.admin("account", "add", ALICE.address, "--password-stdin", stdin=PASSWORD)
        server.start()
        for bearer, start in (("opaque", "+OK"), ("another", "+ ")):
            with Wire(server.ports.pop3s, server.tls) as wire:
                wire.reply()
                assert wire.say(f"AUTH XOAUTH2 {base64_of(REQUEST['XOAUTH2'] % bearer)}").startswith(start)
        server.stop()
    finally:
        server.close()


def test_issuer_that_is_down_is_a_temporary_failure(new_server: Callable[..., ServerProcess]) -> None:
    server = new_server('[oauth]\nissuer = "http://127.0.0.1:9"\naudience = "mail"\n', accounts=1)
    server.start()
    request = base64_of(REQUEST["OAUTHBEARER"] % token("http://127.0.0.1:9"))
    with Wire(server.ports.pop3s, server.tls) as wire:
        wire.reply()
        assert wire.say(f"AUTH OAUTHBEARER {request}").startswith("-ERR [SYS/TEMP] ")
    with Wire(server.ports.submissions, server.tls) as wire:
        wire.reply()
        wire.say("EHLO client.example")
        assert wire.say(f"AUTH OAUTHBEARER {request}").startswith("454 4.7.0 ")


def test_cram_md5_is_for_those_who_opted_in(new_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    server = new_server('[auth]\nmechanisms = ["CRAM-MD5", "PLAIN"]\n', accounts=1)
    user = server.new_user()
    server.start()
    command = [require_program("curl"), "--silent", "--show-error", "--cacert", str(server.authority.file)]
    command += ["--login-options", "AUTH=CRAM-MD5", "--user", f"{user.address}:{PASSWORD}"]
    command += ["--url", f"pop3s://localhost:{server.ports.pop3s}/"]
    with pytest.raises(AssertionError, match="Login denied"):
        run(tmp_path, *command)
    server.admin("account", "passwd", user.address, "--password-stdin", "--cram-md5", stdin=PASSWORD)
    assert run(tmp_path, *command).strip() == b""
    server.admin("account", "passwd", user.address, "--password-stdin", stdin=PASSWORD)
    with pytest.raises(AssertionError):
        run(tmp_path, *command)
