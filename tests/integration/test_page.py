"""The pages behind the login, on the real server: with a cookie jar, and by clicks in a browser."""

from __future__ import annotations

import poplib
import re
import smtplib
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.integration.browser import Browser, chromium
from tests.integration.process import DOMAIN, PASSWORD, ServerProcess, User, free_port
from tests.integration.wire import fetch, log_in, send_exactly

ADMIN, USER = f"user0@{DOMAIN}", f"user1@{DOMAIN}"

PAGES = (
    "/admin",
    "/admin/accounts",
    "/admin/aliases",
    "/admin/domains",
    "/admin/queue",
    "/admin/activity",
    "/admin/checks",
    "/account",
    "/account/junk",
)


def serve(new_server: Callable[..., ServerProcess], settings: str = "") -> ServerProcess:
    """With an administrator and a user."""
    server = new_server(accounts=2)
    server.web_ports = {"web": free_port(), "https": free_port()}
    server.configure(settings)
    server.admin("account", "set", ADMIN, "admin=true")
    server.start()
    return server


@pytest.fixture
def page(new_server: Callable[..., ServerProcess]) -> Iterator[ServerProcess]:
    server = serve(new_server)
    yield server
    server.assert_log_is_clean()


class Client:
    """A browser without a screen: cookies, forms with their tokens, redirects."""

    def __init__(self, base: str, tls: ssl.SSLContext) -> None:
        self.base = base
        self.jar = CookieJar()
        https = urllib.request.HTTPSHandler(context=tls)
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar), https)
        self.text = ""

    def get(self, path: str) -> str:
        return self._open(path, None)

    def send(self, path: str, **fields: str) -> str:
        """A form of the page that was loaded last."""
        token = re.search(r'name="token" value="([^"]*)"', self.text)
        return self._open(path, {"token": token[1] if token else "", **fields})

    def do(self, path: str, do: str, **fields: str) -> str:
        self.get(path)
        return self.send(path, do=do, **fields)

    def log_in(self, user: str, password: str = PASSWORD) -> str:
        self.get("/login")
        return self.send("/login", user=user, password=password)

    def _open(self, path: str, fields: dict[str, str] | None) -> str:
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        try:
            with self._opener.open(self.base + path, data, timeout=30) as reply:
                self.text = unescape(reply.read().decode())
        except urllib.error.HTTPError as error:
            self.text = f"{error.code} {error.read().decode()}"
        return self.text


def client(server: ServerProcess, service: str = "web") -> Client:
    scheme = "http" if service == "web" else "https"
    return Client(f"{scheme}://localhost:{server.web_ports[service]}", server.tls)


def test_accounts_aliases_and_domains_are_looked_after_with_a_cookie_jar(page: ServerProcess) -> None:
    admin = client(page, "https")
    assert ADMIN in admin.log_in(ADMIN)
    (session,) = [cookie for cookie in admin.jar if cookie.name == "twisted-mail"]
    assert session.secure
    assert session.has_nonstandard_attr("HttpOnly")
    assert "Added example.net" in admin.do("/admin/domains", "add", name="example.net")
    assert "Added new@example.net." in admin.do(
        "/admin/accounts", "add", address="new@example.net", password="some words"
    )
    assert "new@example.net" in client(page).log_in("new@example.net", "some words")
    one = "/admin/accounts/new@example.net"
    assert "Changed the password" in admin.do(one, "password", password="other words")
    assert client(page).log_in("new@example.net", "some words").startswith("403 ")
    assert "Disabled new@example.net." in admin.do(one, "disable")
    assert "switched off" in client(page).log_in("new@example.net", "other words")
    assert "Enabled new@example.net." in admin.do(one, "enable")
    assert "now leads to" in admin.do("/admin/aliases", "add", alias="info@example.net", targets="new@example.net")
    assert "info@example.net" in page.admin("alias", "list").stdout
    assert "Removed info@example.net." in admin.do("/admin/aliases", "remove", alias="info@example.net")
    assert "Removed new@example.net." in admin.do(one, "remove")
    assert "Removed example.net" in admin.do("/admin/domains", "remove", name="example.net")
    assert f"{ADMIN} at 127.0.0.1 asked for do add, address new@example.net at /admin/accounts" in page.log_text()
    assert "some words" not in page.log_text()
    assert "other words" not in page.log_text()
    admin.send("/logout")
    assert "Password" in admin.get("/admin/accounts")


def test_a_user_changes_the_password_for_mail_too(page: ServerProcess) -> None:
    user = client(page)
    assert "Change the password" in user.log_in(USER)
    assert user.get("/admin/accounts").startswith("403 ")
    told = user.do("/account", "password", old=PASSWORD, new="other words", again="other words")
    assert "Your password is changed." in told
    pop3 = poplib.POP3_SSL("localhost", page.ports.pop3s, context=page.tls, timeout=20)
    pop3.user(USER)
    assert pop3.pass_("other words").startswith(b"+OK")
    pop3.quit()


def test_logins_at_the_page_are_in_the_log(page: ServerProcess) -> None:
    client(page).log_in(USER, "wrong words")
    client(page).log_in(USER)
    text = page.log_text()
    assert f"web login of {USER} from 127.0.0.1 refused" in text
    assert f"web login {USER} from 127.0.0.1" in text
    assert "wrong words" not in text
    assert PASSWORD not in text


@contextmanager
def logged_in(server: ServerProcess, folder: Path) -> Iterator[Browser]:
    """An administrator's browser, by keyboard alone."""
    with chromium(folder / "browser") as browser:
        browser.open(f"http://localhost:{server.web_ports['web']}/login")
        browser.write("Your address", ADMIN)
        browser.write("Password", PASSWORD)
        browser.press("\ue007")  # Enter
        browser.wait_for("Log out")
        yield browser


def test_an_account_is_added_by_clicks(page: ServerProcess, tmp_path: Path) -> None:
    with chromium(tmp_path / "browser") as browser:
        browser.open(f"http://localhost:{page.web_ports['web']}/admin/accounts")
        browser.write("Your address", ADMIN)
        browser.write("Password", PASSWORD)
        browser.click("Log in")
        browser.write("Address", f"carol@{DOMAIN}")
        browser.write("Password", "some words")
        browser.click("Add the account")
        browser.wait_for(f"Added carol@{DOMAIN}.")
        browser.click(f"carol@{DOMAIN}")
        browser.click("Remove the account")
        browser.click(f"Remove carol@{DOMAIN}")
        browser.wait_for(f"Removed carol@{DOMAIN}.")
        browser.click("Log out")
        browser.wait_for("Your address")
        assert browser.complaints() == []


def test_pages_fit_on_a_small_screen(page: ServerProcess, tmp_path: Path) -> None:
    with logged_in(page, tmp_path) as browser:
        for path in (*PAGES, f"/admin/accounts/{USER}"):
            browser.open(f"http://localhost:{page.web_ports['web']}{path}")
            for dark in (False, True):
                browser.show_as(360, dark=dark)
                assert browser.run("return document.documentElement.scrollWidth") == 360, path
        assert browser.complaints() == []


def test_what_a_session_deleted_is_brought_back(page: ServerProcess) -> None:
    user = User(USER)
    assert send_exactly(page, b"Subject: one\r\n\r\nText\r\n", user).startswith("250 ")
    (message,) = fetch(page, user)
    with log_in(page, user) as wire:
        assert wire.say("DELE 1").startswith("+OK")
        assert wire.say("QUIT").startswith("+OK")
    assert fetch(page, user) == []
    at_page = client(page)
    text = at_page.log_in(USER)
    session = re.search(r'name="session" value="([^"]+)"', text)
    assert session is not None, text
    assert "Restored 1 messages" in at_page.do("/account", "restore", session=session[1])
    assert [each.uid for each in fetch(page, user)] == [message.uid]


def test_an_app_password_made_at_the_page_is_good_for_mail(page: ServerProcess) -> None:
    at_page = client(page)
    at_page.log_in(USER)
    made = re.search(r"\w{4}(?:-\w{4}){4}", at_page.do("/account", "add-app-password", name="phone", **{"for": "pop3"}))
    assert made is not None
    assert fetch(page, User(USER, made[0])) == []
    deadline = time.monotonic() + 20
    while 'app password "phone"' not in at_page.get("/account"):  # the journal is a second behind
        assert time.monotonic() < deadline, at_page.text
        time.sleep(0.1)


@pytest.fixture
def sending(new_server: Callable[..., ServerProcess]) -> Iterator[tuple[ServerProcess, Path]]:
    """A server with a message for elsewhere, whose smarthost is not there yet."""
    elsewhere = free_port()
    server = serve(new_server, f'[relay]\nsmarthost = "tcp:127.0.0.1:{elsewhere}"\nretry = ["1 hour"]\n')
    submission = smtplib.SMTP_SSL("localhost", server.ports.submissions, context=server.tls, timeout=20)
    submission.login(ADMIN, PASSWORD)
    submission.sendmail(ADMIN, ["someone@else.example"], b"Subject: hello\r\n\r\nText\r\n")
    submission.quit()
    yield server, server.maildirs / ".server" / "queue"
    server.forgive_log()


def test_a_queued_message_is_held_released_and_dropped(sending: tuple[ServerProcess, Path]) -> None:
    server, _ = sending
    admin = client(server)
    admin.log_in(ADMIN)
    identifier = re.search(r'href="/admin/queue/([^"]+)"', admin.get("/admin/queue"))
    assert identifier is not None, admin.text
    one = f"/admin/queue/{identifier[1]}"
    assert "is held" in admin.do(one, "hold")
    assert "held" in server.admin("queue", "list").stdout
    assert "is released" in admin.do(one, "release")
    assert "is dropped" in admin.do(one, "drop")
    assert "no messages wait" in server.admin("queue", "list").stdout


def test_a_queued_message_is_tried_again_by_clicks(sending: tuple[ServerProcess, Path], tmp_path: Path) -> None:
    server, _ = sending
    with logged_in(server, tmp_path) as browser:
        browser.click("Queue")
        browser.wait_for("1 messages wait.")
        browser.wait_for("Connection refused")
        browser.click("someone@else.example")
        browser.wait_for("attempts: 1")
        browser.click("Try now")
        browser.wait_for("is tried again.")
        browser.wait_for("attempts: 2")
        assert browser.complaints() == []


def test_checks_are_run_and_tell_what_they_found(page: ServerProcess) -> None:
    admin = client(page)
    admin.log_in(ADMIN)
    admin.do("/admin/checks", "run")
    deadline = time.monotonic() + 60
    while "As of" not in admin.get("/admin/checks"):
        assert "The checks are running" in admin.text
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "configuration" in admin.text
    assert str(page.config) in admin.text


def test_a_message_is_seen_to_arrive_and_its_story_is_read(page: ServerProcess, tmp_path: Path) -> None:
    with logged_in(page, tmp_path) as browser:
        browser.wait_for("messages taken 0, logins ")
        browser.click("Activity")
        browser.wait_for("Nothing of that kind yet.")
        assert send_exactly(page, b"Subject: hello\r\n\r\nText\r\n", User(USER)).startswith("250 ")
        browser.wait_for(f"on disk in the mailbox of {USER}")  # by itself: nobody loads the page
        browser.click("story")
        browser.wait_for("from <them@else.example>")
        assert "Story" in browser.text
        browser.click("Overview")
        browser.wait_for("messages taken 1, logins ")
        assert browser.complaints() == []
    assert page.log_text().count("GET /admin/activity") == 1


def test_with_several_workers_the_page_does_the_same(new_server: Callable[..., ServerProcess]) -> None:
    server = serve(new_server, "[limits]\nconnections_per_host = 100\n")
    server.stop()
    server.config.write_text(server.config.read_text().replace("[listen]", "workers = 2\n[listen]", 1))
    server.start()
    admin = client(server)
    assert "processes: 2" in admin.log_in(ADMIN)
    assert "Disabled" in admin.do(f"/admin/accounts/{USER}", "disable")
    for _ in range(4):  # whichever process takes it
        with (
            pytest.raises(smtplib.SMTPResponseException),
            smtplib.SMTP_SSL("localhost", server.ports.submissions, context=server.tls, timeout=20) as submission,
        ):
            submission.login(USER, PASSWORD)
    admin.do("/admin/checks", "run")
    deadline = time.monotonic() + 60
    while "As of" not in admin.get("/admin/checks"):
        assert time.monotonic() < deadline, admin.text
        time.sleep(0.2)
