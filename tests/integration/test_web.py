"""The web listeners of the real server: over http and https, with several workers, and in a browser."""

from __future__ import annotations

import os
import plistlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.process import DOMAIN, ServerProcess, free_port
from tests.integration.requirements import require_program

POST = f"""<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
<Request><EMailAddress>alice@{DOMAIN}</EMailAddress></Request></Autodiscover>"""


def serve(new_server: Callable[..., ServerProcess], settings: str = "") -> ServerProcess:
    server = new_server(accounts=1)
    server.web_ports = {"web": free_port(), "https": free_port()}
    server.configure(settings)
    server.start()
    return server


@pytest.fixture
def web(new_server: Callable[..., ServerProcess]) -> Iterator[ServerProcess]:
    server = serve(new_server)
    yield server
    server.assert_log_is_clean()


def fetch(server: ServerProcess, path: str, service: str = "web", data: bytes | None = None) -> tuple[str, bytes]:
    """Status with content type, and the body."""
    scheme = "http" if service == "web" else "https"
    address = f"{scheme}://localhost:{server.web_ports[service]}{path}"
    try:
        with urllib.request.urlopen(address, data, timeout=20, context=server.tls) as reply:
            return f"{reply.status} {reply.headers['Content-Type']}", reply.read()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.headers['Content-Type']}", error.read()


@pytest.mark.parametrize("service", ["web", "https"])
def test_all_forms_of_configuration_are_there(web: ServerProcess, service: str) -> None:
    status, body = fetch(web, f"/mail/config-v1.1.xml?emailaddress=alice%40{DOMAIN}", service)
    assert status == "200 text/xml; charset=utf-8"
    assert f"<port>{web.ports.pop3s}</port>".encode() in body
    status, body = fetch(web, "/Autodiscover/Autodiscover.xml", service, POST.encode())
    assert status == "200 text/xml; charset=utf-8"
    assert f"<LoginName>alice@{DOMAIN}</LoginName>".encode() in body
    status, body = fetch(web, f"/help/{DOMAIN}", service)
    assert status == "200 text/html; charset=utf-8"
    assert str(web.ports.submissions).encode() in body
    assert fetch(web, "/help/else.example", service)[0] == "404 text/plain; charset=utf-8"


def test_the_profile_is_signed_with_the_certificate_of_the_server(web: ServerProcess, tmp_path: Path) -> None:
    openssl = require_program("openssl")
    envelope = tmp_path / "profile"
    envelope.write_bytes(fetch(web, f"/help/{DOMAIN}/mail.mobileconfig?emailaddress=alice%40{DOMAIN}")[1])
    command = [openssl, "cms", "-verify", "-inform", "DER", "-in", str(envelope), "-purpose", "any"]
    done = subprocess.run([*command, "-CAfile", str(web.authority.file)], capture_output=True, check=True)
    assert plistlib.loads(done.stdout)["PayloadContent"][0]["EmailAddress"] == f"alice@{DOMAIN}"


def test_with_several_workers_one_has_the_web(new_server: Callable[..., ServerProcess]) -> None:
    server = serve(new_server, "[limits]\nconnections_per_host = 100\n")
    server.stop()
    text = server.config.read_text().replace("[listen]", "workers = 2\n[listen]", 1)
    server.config.write_text(text)
    server.start()
    for _ in range(10):
        assert fetch(server, "/", "https")[0].startswith("200 ")
    for pid in server.children("twisted_mail.worker"):
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():  # until then it may still take a connection, which dies with it
            time.sleep(0.01)
        assert fetch(server, "/", "https")[0].startswith("200 ")  # one more has come, who had to wait for it
    server.forgive_log()
    server.stop()


@pytest.mark.parametrize("service", ["web", "https"])
def test_behind_a_proxy_that_says_who_asks(new_server: Callable[..., ServerProcess], service: str) -> None:
    server = serve(new_server, '[proxy]\nlisteners = ["web", "https"]\ntrusted = ["127.0.0.1"]\n')
    with socket.create_connection(("127.0.0.1", server.web_ports[service]), timeout=20) as connection:
        connection.sendall(b"PROXY TCP4 192.0.2.33 198.51.100.1 54321 80\r\n")
        if service == "https":
            connection = server.tls.wrap_socket(connection, server_hostname="localhost")
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.close()
    assert "web 192.0.2.33 GET / 200" in server.log_text()


def test_connections_that_do_nothing_do_not_delay_the_end(web: ServerProcess) -> None:
    with (
        socket.create_connection(("127.0.0.1", web.web_ports["web"]), timeout=20) as silent,
        socket.create_connection(("127.0.0.1", web.web_ports["web"]), timeout=20) as started,
    ):
        started.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert fetch(web, "/")[0].startswith("200 ")
        web.terminate()
        assert silent.recv(100) == started.recv(100) == b""
    assert web.wait() in (0, -signal.SIGTERM)


def test_a_browser_shows_the_help_page_and_complains_of_nothing(web: ServerProcess, tmp_path: Path) -> None:
    chromium = require_program("chromium")
    picture = tmp_path / "page.png"
    address = f"http://localhost:{web.web_ports['web']}/help/?emailaddress=alice%40{DOMAIN}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=360,1600"]
    options += ["--enable-logging=stderr", f"--user-data-dir={tmp_path / 'browser'}", f"--screenshot={picture}"]
    done = subprocess.run([chromium, *options, address], capture_output=True, text=True, timeout=120, check=True)
    assert ":CONSOLE" not in done.stderr, done.stderr
    width = int.from_bytes(picture.read_bytes()[16:20], "big")  # PNG: the first chunk
    assert width == 360
    for path in ("/help/", "/style.css", f"/help/{DOMAIN}/code.svg"):
        assert f" GET {path} 200" in web.log_text()
