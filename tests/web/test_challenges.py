"""What an authority finds, and only while it looks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Issuer
from tests.web.asking import ask, site_of
from twisted_mail.protocols.tls import Certificates, TLSMaterial
from twisted_mail.web.challengepage import PATH, ChallengePage
from twisted_mail.web.challenges import Challenges, Kind
from twisted_mail.web.pages import Page, Pages


class ChallengesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.certificates = Certificates(TLSMaterial(Issuer().identity("mail.example.org")))
        self.challenges = Challenges(self.certificates)
        self.site = site_of(Pages({PATH: Page(get=ChallengePage(self.challenges).show)}))

    def test_a_file_is_there_under_its_token_while_it_is_published(self) -> None:
        with (
            self.challenges.published(Kind.HTTP, "mail.example.org", "One", "One.digest"),
            self.challenges.published(Kind.HTTP, "autoconfig.example.org", "two", "two.digest"),
        ):
            reply = ask(self.site, f"GET {PATH}One")
            self.assertEqual((200, "One.digest"), (reply.status, reply.text))
            self.assertEqual("application/octet-stream", reply.headers["Content-Type"])
            for other in ("one", "", "One/two", "three"):
                self.assertEqual(404, ask(self.site, f"GET {PATH}{other}").status, other)
        self.assertEqual(404, ask(self.site, f"GET {PATH}One").status)

    def test_a_certificate_is_there_for_its_name_while_it_is_published(self) -> None:
        with (
            self.assertRaises(RuntimeError),
            self.challenges.published(Kind.TLS_ALPN, "Mail.example.org", "one", "one.digest"),
        ):
            self.assertEqual([b"mail.example.org"], list(self.certificates.challenges))
            raise RuntimeError("the authority does not answer")
        self.assertEqual({}, self.certificates.challenges)
