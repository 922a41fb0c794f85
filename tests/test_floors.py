"""The table of floors in docs/architecture.md: imports go only downward, rooms never import one another."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

PACKAGE = Path(__file__).parent.parent / "twisted_mail"

STANDARDS = {
    "smtp",
    "pop3",
    "message",
    "rules",
    "units",
    "printable",
    "tomltext",
    "framing",
    "logline",
    "transcript",
    "exposition",
    "session",
    "sasl",
    "saslprep",
    "scram",
    "scramclient",
    "bearer",
    "crammd5",
    "mechanisms",
    "proxyheader",
    "networks",
}
CONTRACTS = {
    "interfaces",
    "durable",
    "committing",
    "filecontents",
    "syncing",
    "sharedfile",
    "eventlog",
    "content",
    "wrapping",
    "forgetful",
    "periodic",
    "notices",
    "affairs",
    "tlsoutcome",
}
WIRES = {"protocols"}
ROOMS = {"auth", "delivery", "mailbox", "queue", "policy", "web", "records"}
HOUSE = {
    "tap",
    "service",
    "serving",
    "doors",
    "mailboxes",
    "admission",
    "neighbours",
    "mailserver",
    "worker",
    "config",
    "demands",
    "resources",
    "sections",
    "values",
    "relayconfig",
    "junkconfig",
    "settings",
    "listenaddress",
    "workers",
    "listeners",
    "reloading",
    "running",
    "outgoing",
    "smarthosts",
    "signing",
    "securing",
    "pickup",
    "webservice",
    "administration",
    "certifying",
    "capturing",
    "offering",
    "resolving",
    "incoming",
    "domainreports",
    "filtering",
    "filterconfig",
    "observing",
    "monitoring",
    "tlsfiles",
    "issuers",
    "ownership",
    "demo",
    "owncertificate",
    "cli",
    "moving",
    "testing",
}

ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"

MAY_IMPORT: dict[str, set[str]] = {}
for _floor, _below in (
    (STANDARDS, STANDARDS),
    (CONTRACTS, STANDARDS | CONTRACTS),
    (WIRES, STANDARDS | CONTRACTS | WIRES),
    (HOUSE, STANDARDS | CONTRACTS | WIRES | ROOMS | HOUSE),
):
    MAY_IMPORT.update(dict.fromkeys(_floor, _below))
for _room in ROOMS:
    MAY_IMPORT[_room] = STANDARDS | CONTRACTS | WIRES | {_room}

# Inside floor 1: framing <- smtp, pop3; address <- envelope <- command <- server, client.
SMTP_ORDER = [
    *("reply", "address", "srs", "envelope", "events", "options", "parameters", "xclient", "extensions"),
    *("command", "auth", "data", "transaction", "wording", "server"),
    *("client_reply", "client_offer", "client_auth", "client_dialogue", "client_events", "client_commands", "client"),
]
# idna is as pure as the standard library, whose own codec is the superseded IDNA 2003 (docs/decisions/0002).
PURE_OUTSIDE_STDLIB = {"idna"}
NOT_PURE = {"socket", "time", "os", "io", "pathlib", "threading", "select", "ssl", "asyncio", "subprocess", "logging"}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


class FloorTests(TestCase):
    def test_every_module_has_a_floor(self) -> None:
        self.assertEqual([], [str(p) for p in modules() if unit_of(p) not in MAY_IMPORT])

    def test_the_architecture_names_every_module_on_its_floor(self) -> None:
        rows = dict(re.findall(r"^\| (\d) \w+ \| (.*?) \|", ARCHITECTURE.read_text(), re.MULTILINE))
        told = {number: {name.rstrip("/") for name in re.findall("`(.+?)`", what)} for number, what in rows.items()}
        self.assertEqual({"1": STANDARDS, "2": CONTRACTS, "3": WIRES, "4": ROOMS, "5": HOUSE}, told)

    def test_imports_go_only_downward(self) -> None:
        wrong = []
        for path in modules():
            for name in imports_of(path):
                parts = name.split(".")
                if parts[0] == "twisted_mail" and len(parts) > 1 and parts[1] not in MAY_IMPORT[unit_of(path)]:
                    wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
        self.assertEqual([], wrong)

    def test_standards_import_the_standard_library_only_and_are_pure(self) -> None:
        wrong = []
        for path in modules():
            if unit_of(path) not in STANDARDS:
                continue
            for name in imports_of(path):
                top = name.split(".")[0]
                if top in NOT_PURE or top not in {*sys.stdlib_module_names, *PURE_OUTSIDE_STDLIB, "twisted_mail"}:
                    wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
        self.assertEqual([], wrong)

    def test_smtp_modules_import_only_those_before_them(self) -> None:
        wrong = []
        for path in (PACKAGE / "smtp").glob("*.py"):
            for name in imports_of(path):
                parts = name.split(".")
                if parts[:2] == ["twisted_mail", "smtp"] and path.stem in SMTP_ORDER:
                    before = SMTP_ORDER[: SMTP_ORDER.index(path.stem)]
                    if parts[2] in SMTP_ORDER and parts[2] not in before:
                        wrong.append(f"{path.stem} imports {parts[2]}")
        self.assertEqual([], wrong)

    def test_package_files_hold_a_docstring_only(self) -> None:
        for path in PACKAGE.rglob("__init__.py"):
            body = ast.parse(path.read_text()).body
            self.assertEqual(1, len(body), str(path))
            self.assertIsInstance(body[0], ast.Expr)

    def test_no_module_imports_the_reactor(self) -> None:
        """A reactor imported at module level would be installed before `twistd --reactor` can choose one."""
        for path in modules():
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ImportFrom) and node.module == "twisted.internet":
                    self.assertNotIn("reactor", [a.name for a in node.names], str(path))
