"""A Thunderbird without a screen: its profile fetches one account by POP3 at each start and leaves mail on the server.

The profile holds what a person would have entered: the account, its password (in NSS's key store, as Thunderbird itself
keeps it) and trust in the server's authority.
"""

from __future__ import annotations

import base64
import ctypes
import json
import mailbox
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.process import ServerProcess, User
from tests.integration.requirements import require_program

FETCHES_WITHIN = 120.0
"""Seconds for a start and a fetch: it is a large program, and the first start makes its databases."""
ENDS_WITHIN = 30.0

_PREFERENCES: dict[str, object] = {
    "mail.accountmanager.accounts": "account1",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.identities": "id1",
    "mail.account.account1.server": "server1",
    "mail.identity.id1.valid": True,
    "mail.server.server1.type": "pop3",
    "mail.server.server1.hostname": "localhost",
    "mail.server.server1.name": "localhost",
    "mail.server.server1.socketType": 3,  # TLS from the first octet
    "mail.server.server1.authMethod": 3,  # the password, over TLS
    "mail.server.server1.login_at_startup": True,
    "mail.server.server1.download_on_biff": True,
    "mail.server.server1.leave_on_server": True,
    "mail.server.server1.directory-rel": "[ProfD]Mail/localhost",
    "mail.server.server1.storeContractID": "@mozilla.org/msgstore/berkeleystore;1",
    "mail.startup.enabledMailCheckOnce": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mailnews.start_page.enabled": False,
    "app.update.enabled": False,
    "app.donation.eoy.version.viewed": 999,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False,
}


class Thunderbird:
    """One profile, which may be started many times."""

    def __init__(self, folder: Path, server: ServerProcess, user: User) -> None:
        self._program = require_program("thunderbird")
        self._server = server
        self._user = user
        self._home = folder
        self._profile = folder / "profile"
        self._profile.mkdir()
        self._inbox = self._profile / "Mail" / "localhost" / "Inbox"
        self._write_preferences()
        self._make_key_store()

    def fetch(self, done: Callable[[], bool]) -> None:
        """Start it, wait until *done*, and end it."""
        # no display, no session of a desktop
        environment = {"HOME": str(self._home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "MOZ_HEADLESS": "1"}
        with (self._home / "output").open("ab") as output:
            process = subprocess.Popen(
                [self._program, "--headless", "--no-remote", "--profile", str(self._profile)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=self._home,
            )
        try:
            self._wait(process, done)
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def subjects(self) -> list[str]:
        """Of all messages that it has, in its order."""
        if not self._inbox.exists():
            return []
        return [message["Subject"] for message in mailbox.mbox(self._inbox, create=False)]

    def _wait(self, process: subprocess.Popen[bytes], done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + FETCHES_WITHIN
        while not done():
            assert process.poll() is None, f"Thunderbird ended:\n{self._output()}"
            assert time.monotonic() < deadline, f"Thunderbird fetched nothing:\n{self._output()}"
            time.sleep(0.1)

    def _output(self) -> str:
        return (self._home / "output").read_text(errors="replace")[-3000:]

    def _write_preferences(self) -> None:
        settings = _PREFERENCES | {
            "mail.identity.id1.useremail": self._user.address,
            "mail.server.server1.userName": self._user.address,
            "mail.server.server1.port": self._server.ports.pop3s,
        }
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
        (self._profile / "prefs.js").write_text("\n".join(lines) + "\n")

    def _make_key_store(self) -> None:
        certutil = require_program("certutil", "libnss3-tools")
        store = f"sql:{self._profile}"
        authority = ["-A", "-n", "authority", "-t", "C,,", "-i", str(self._server.authority.file)]
        for arguments in (["-N", "--empty-password"], authority):
            subprocess.run([certutil, *arguments, "-d", store], check=True, timeout=60)
        name, password = encrypted(store, self._user.address, self._user.password)
        login = {
            "id": 1,
            "hostname": "mailbox://localhost",
            "httpRealm": "mailbox://localhost",
            "formSubmitURL": None,
            "usernameField": "",
            "passwordField": "",
            "encryptedUsername": name,
            "encryptedPassword": password,
            "guid": "{2f1b9d6c-53a2-4a3e-9d63-5b1f1d8f8a11}",
            "encType": 1,
        }
        (self._profile / "logins.json").write_text(json.dumps({"nextId": 2, "logins": [login], "version": 3}))


class _Item(ctypes.Structure):
    """SECItem."""

    _fields_ = (("type", ctypes.c_int), ("data", ctypes.c_char_p), ("length", ctypes.c_uint))


def encrypted(store: str, *texts: str) -> list[str]:
    """Each of *texts* as NSS keeps secrets, in base64."""
    nss = ctypes.CDLL("libnss3.so")
    assert nss.NSS_InitReadWrite(store.encode()) == 0
    try:
        return [_encrypted(nss, text.encode()) for text in texts]
    finally:
        nss.NSS_Shutdown()


def _encrypted(nss: ctypes.CDLL, octets: bytes) -> str:
    key, text, result = _Item(0, None, 0), _Item(0, octets, len(octets)), _Item(0, None, 0)
    assert nss.PK11SDR_Encrypt(ctypes.byref(key), ctypes.byref(text), ctypes.byref(result), None) == 0
    # not `result.data`: ctypes would stop at the first NUL
    pointer = ctypes.cast(ctypes.byref(result, _Item.data.offset), ctypes.POINTER(ctypes.c_void_p))
    return base64.b64encode(ctypes.string_at(pointer.contents.value or 0, result.length)).decode()
