"""Logging in at the page: who gets in, what a session is good for, and what another site could have sent."""

from __future__ import annotations

from tests.web.visitor import ALICE, BOB, PASSWORD, Visitor, VisitorTestCase
from twisted_mail.auth.apppasswords import Purpose
from twisted_mail.auth.directory import ADMIN
from twisted_mail.auth.throttle import ACCOUNT_RULE
from twisted_mail.web.sessions import COOKIE, IDLE, LONGEST


class LoginTests(VisitorTestCase):
    def test_an_administrator_comes_to_the_overview_and_a_user_to_their_own(self) -> None:
        for user, path in ((ALICE, "/admin"), (BOB, "/account"), ("bob", "/account")):
            visitor = self.visitor()
            reply = visitor.log_in(user)
            self.assertEqual((303, path), (reply.status, reply.headers["Location"]))
            self.assertEqual(200, visitor.get(path).status)

    def test_the_cookie_is_for_no_script_and_no_other_site(self) -> None:
        (cookie,) = self.visitor().log_in(BOB).cookies
        self.assertEqual(["Path=/", "HttpOnly", "SameSite=strict"], cookie.split("; ")[1:])

    def test_who_came_for_a_page_gets_there_after_the_login(self) -> None:
        visitor = self.visitor()
        reply = visitor.get("/admin/accounts/bob@example.org")
        self.assertEqual("/login?next=/admin/accounts/bob@example.org", reply.headers["Location"])
        self.assertIn('value="/admin/accounts/bob@example.org"', visitor.get(reply.headers["Location"]).text)
        wanted = visitor.send("/login", user=str(ALICE), password=PASSWORD, next="/admin/accounts/bob@example.org")
        self.assertEqual("/admin/accounts/bob@example.org", wanted.headers["Location"])

    def test_a_login_leads_to_no_other_site(self) -> None:
        for path in ("//else.example/admin", "https://else.example/", "/admin\r\nX: y", "/administrator", "/login"):
            self.assertEqual("/account", self.visitor().log_in(BOB, next=path).headers["Location"])

    def test_a_wrong_name_and_a_wrong_password_look_the_same(self) -> None:
        for user, password in ((BOB, "wrong"), ("nobody@example.org", PASSWORD), ("", ""), ("<b>", "x")):
            visitor = self.visitor()
            reply = visitor.log_in(user, password)
            self.assertEqual(403, reply.status)
            self.assertIn("The name or the password is wrong.", reply.text)
            self.assertNotIn(COOKIE, visitor.cookies)
            self.assertNotIn("<b>", reply.text)

    def test_an_app_password_is_no_good_here(self) -> None:
        app = self.directory.app_passwords.add(BOB, "phone", tuple(Purpose), self.directory.salt(BOB))
        self.assertEqual(403, self.visitor().log_in(BOB, app).status)

    def test_a_disabled_account_is_told_so(self) -> None:
        self.directory.set_disabled(BOB, True)
        self.assertIn("switched off", self.visitor().log_in(BOB).text)

    def test_failures_make_the_next_login_wait_as_those_of_mail_do(self) -> None:
        for _ in range(ACCOUNT_RULE.free):
            self.assertEqual(403, self.visitor().log_in(BOB, "wrong").status)
        with self.assertRaises(KeyError):  # no answer yet
            self.visitor().log_in(BOB)

    def test_a_form_of_another_site_logs_nobody_in(self) -> None:
        visitor = self.visitor()
        self.assertEqual(403, visitor.send("/login", user=str(BOB), password=PASSWORD).status)
        visitor.get("/login")
        reply = visitor.send("/login", user=str(BOB), password=PASSWORD, token="another")
        self.assertEqual(403, reply.status)
        self.assertNotIn(COOKIE, visitor.cookies)

    def test_passwords_are_not_taken_where_others_can_read_them(self) -> None:
        far = Visitor(self.new_site(https="https://mail.example.org"), peer="192.0.2.1")
        reply = far.get("/login")
        self.assertEqual(403, reply.status)
        self.assertNotIn("<input", reply.text)
        self.assertIn('href="https://mail.example.org/login"', reply.text)
        near = self.visitor()
        near.get("/login")
        far.cookies, far.token = near.cookies, near.token
        self.assertEqual(403, far.send("/login", user=str(BOB), password=PASSWORD).status)
        self.assertNotIn(COOKIE, far.cookies)

    def test_passwords_may_go_in_the_clear_where_the_configuration_says_so(self) -> None:
        far = Visitor(self.new_site(allow_plaintext=True), peer="192.0.2.1")
        self.assertEqual(303, far.log_in(BOB).status)


class SessionTests(VisitorTestCase):
    def test_a_user_is_not_shown_what_is_for_administrators(self) -> None:
        bob = self.visitor(BOB)
        for path in (
            "/admin",
            "/admin/accounts",
            "/admin/accounts/alice@example.org",
            "/admin/aliases",
            "/admin/domains",
        ):
            reply = bob.get(path)
            self.assertEqual(403, reply.status, path)
            self.assertNotIn("alice", reply.text)

    def test_a_user_cannot_do_what_is_for_administrators(self) -> None:
        bob = self.visitor(BOB)
        bob.get("/account")
        reply = bob.send("/admin/accounts/alice@example.org", do="remove")
        self.assertEqual(403, reply.status)
        self.assertIsNotNone(self.directory.account(ALICE))

    def test_a_form_without_the_token_of_the_session_does_nothing(self) -> None:
        alice = self.visitor(ALICE)
        bob = self.visitor(BOB)
        bob.get("/account")
        for token in ("", "x", bob.token):
            reply = alice.send("/admin/accounts/bob@example.org", do="remove", token=token)
            self.assertEqual(403, reply.status)
        self.assertIsNotNone(self.directory.account(BOB))

    def test_logging_out_ends_the_session_and_the_cookie(self) -> None:
        bob = self.visitor(BOB)
        bob.get("/account")
        cookie = bob.cookies[COOKIE]
        self.assertEqual("/login", bob.send("/logout").headers["Location"])
        self.assertEqual("", bob.cookies[COOKIE])
        bob.cookies[COOKIE] = cookie
        self.assertEqual(303, bob.get("/account").status)

    def test_a_session_falls_asleep_also_while_a_script_refreshes_its_page(self) -> None:
        bob = self.visitor(BOB)
        self.clock.advance(IDLE - 1)
        self.assertEqual(200, bob.get("/account").status)
        self.clock.advance(IDLE - 1)
        self.assertEqual(200, bob.get("/account", "X-Refresh: 1").status)
        self.clock.advance(2)
        self.assertEqual(401, bob.get("/account", "X-Refresh: 1").status)
        self.assertEqual(303, bob.get("/account").status)

    def test_a_session_ends_some_day(self) -> None:
        bob = self.visitor(BOB)
        for _ in range(int(LONGEST // IDLE)):
            self.assertEqual(200, bob.get("/account").status)
            self.clock.advance(IDLE)
        self.clock.advance(1)
        self.assertEqual(303, bob.get("/account").status)

    def test_a_session_ends_with_what_its_login_stood_on(self) -> None:
        def other_password() -> None:
            new = self.directory.new_account(ALICE, PASSWORD)  # another salt
            self.directory.set_password(ALICE, new.password, new.verifier)

        for change in (
            lambda: self.directory.set_attributes(ALICE, {ADMIN: None}),
            lambda: self.directory.set_disabled(ALICE, True),
            other_password,
            lambda: self.directory.remove_account(ALICE),
        ):
            self.directory.set_attributes(ALICE, {ADMIN: "true"})
            self.directory.set_disabled(ALICE, False)
            alice = self.visitor(ALICE)
            self.assertEqual(200, alice.get("/admin/accounts").status)
            change()
            self.assertEqual(303, alice.get("/admin/accounts").status)

    def test_changing_the_password_keeps_this_session_and_ends_the_others(self) -> None:
        here, there = self.visitor(BOB), self.visitor(BOB)
        told = here.do("/account", "password", old=PASSWORD, new="another", again="another")
        self.assertIn("Your password is changed.", told)
        self.assertEqual(303, there.get("/account").status)
        self.assertEqual(403, self.visitor().log_in(BOB, PASSWORD).status)
        self.assertEqual(303, self.visitor().log_in(BOB, "another").status)

    def test_the_password_is_changed_by_who_knows_it_and_only_to_a_good_one(self) -> None:
        bob = self.visitor(BOB)
        for old, new, again, told in (
            ("wrong", "another", "another", "The old password is another one."),
            (PASSWORD, "another", "different", "The two new passwords differ"),
            (PASSWORD, "", "", "the password is empty"),
            (PASSWORD, "a\x01", "a\x01", "control characters"),
        ):
            self.assertIn(told, bob.do("/account", "password", old=old, new=new, again=again))
        self.assertEqual(303, self.visitor().log_in(BOB).status)
