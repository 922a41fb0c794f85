"""Reloading certificates from real files, with a clock under control."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from tests.certificates import Issuer
from twisted_mail.config import TLS
from twisted_mail.protocols.tls import Certificates, Identity, TLSMaterial
from twisted_mail.tlsfiles import CHECKED_EVERY, TICKETS_ROTATED_EVERY, TLSFiles, read_material

ISSUER = Issuer()


class Noting(Certificates):
    """Real certificates, and what was loaded."""

    def __init__(self, material: TLSMaterial) -> None:
        self.loaded: list[TLSMaterial] = []
        super().__init__(material)

    def load(self, material: TLSMaterial) -> None:
        super().load(material)
        self.loaded.append(material)


class TLSFilesTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(os.path.abspath(self.mktemp()))
        self.write(self.folder, ISSUER.identity("mail.example.org"))
        (self.folder / "names").mkdir()
        self.tls = TLS(
            str(self.folder / "fullchain.pem"), str(self.folder / "privkey.pem"), str(self.folder / "names"), None
        )
        self.clock = Clock()
        material = read_material(self.tls)
        assert material is not None
        self.certificates = Noting(material)
        self.files = TLSFiles(self.tls, self.certificates, self.clock)
        self.files.start()
        self.addCleanup(self.files.stop)

    def write(self, folder: Path, identity: Identity) -> Identity:
        folder.mkdir(exist_ok=True)
        (folder / "fullchain.pem").write_bytes(identity.certificate)
        (folder / "privkey.pem").write_bytes(identity.key)
        return identity

    def in_use(self) -> TLSMaterial:
        return self.certificates.loaded[-1]

    def test_unchanged_files_are_not_loaded_again(self) -> None:
        self.clock.pump([CHECKED_EVERY] * 10)
        self.assertEqual(1, len(self.certificates.loaded))

    def test_renewed_certificate_is_loaded_within_a_minute(self) -> None:
        renewed = self.write(self.folder, ISSUER.identity("mail.example.org"))
        self.clock.advance(CHECKED_EVERY)
        self.assertEqual(renewed.certificate, self.in_use().default.certificate)

    def test_certificate_whose_key_comes_later_is_told_and_loaded_then(self) -> None:
        renewed = ISSUER.identity("mail.example.org")
        (self.folder / "fullchain.pem").write_bytes(renewed.certificate)
        self.clock.advance(CHECKED_EVERY)
        self.assertEqual(1, len(self.certificates.loaded))
        (self.folder / "privkey.pem").write_bytes(renewed.key)
        self.clock.advance(CHECKED_EVERY)
        self.assertEqual(renewed.key, self.in_use().default.key)

    def test_missing_file_leaves_what_was_in_use(self) -> None:
        os.unlink(self.folder / "privkey.pem")
        self.clock.pump([CHECKED_EVERY] * 3)
        self.assertEqual(1, len(self.certificates.loaded))

    def test_new_name_is_loaded_and_what_is_no_certificate_is_left_alone(self) -> None:
        (self.folder / "names" / "README").write_text("as certbot writes it")
        (self.folder / "names" / "empty").mkdir()
        other = self.write(self.folder / "names" / "mail.example.net", ISSUER.identity("mail.example.net"))
        self.clock.advance(CHECKED_EVERY)
        (identity,) = self.in_use().others
        self.assertEqual(other.certificate, identity.certificate)

    def test_same_files_are_loaded_again_to_rotate_the_keys_of_the_tickets(self) -> None:
        self.clock.pump([CHECKED_EVERY] * int(TICKETS_ROTATED_EVERY / CHECKED_EVERY))
        self.assertEqual(2, len(self.certificates.loaded))
        self.clock.pump([CHECKED_EVERY] * int(TICKETS_ROTATED_EVERY / CHECKED_EVERY))
        self.assertEqual(3, len(self.certificates.loaded))

    def test_load_does_not_wait(self) -> None:
        self.files.load()
        self.assertEqual(2, len(self.certificates.loaded))

    def test_configuration_without_certificates_has_no_material(self) -> None:
        self.assertIsNone(read_material(TLS(None, None, None, None)))
