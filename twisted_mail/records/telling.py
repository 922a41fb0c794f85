"""A record of the journal in words: one sentence each, for people.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from twisted_mail.printable import printable
from twisted_mail.records.journal import Record
from twisted_mail.records.search import time_of
from twisted_mail.records.story import Story


class _Words:
    """A record's fields as words; what is missing is an empty text."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getattr__(self, name: str) -> str:
        value = self._record.get(name)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return "" if value is None else str(value)

    def with_field(self, before: str, name: str, after: str = "") -> str:
        """*before*, the field, *after*; nothing where the field is missing."""
        text = getattr(self, name)
        return f"{before}{text}{after}" if text else ""

    @property
    def client(self) -> str:
        name = f"{self.hello} " if self.hello else ""
        return f"{name}[{self.peer}]" if self.peer else name.strip() or "this machine"

    @property
    def security(self) -> str:
        return f" with {self.tls}" if self.tls else ""

    @property
    def password(self) -> str:
        return f', by the app password "{self.by}"' if self.by else ""


def tell(record: Record) -> str:
    """One sentence, which may go on in further lines."""
    teller = _TELLERS.get(str(record.get("event")), _unknown)
    return teller(_Words(record))


def story_lines(story: Story) -> list[str]:
    """The whole of it: a head, then a line each, with what was said indented below."""
    lines = [f"Message {story.id}" if story.id else "What did not become a message"]
    lines += [line for record in story.records for line in record_lines(record)]
    return lines


def record_lines(record: Record) -> list[str]:
    """Time and sentence; below them what was said, if anything of it was kept."""
    lines = [f"  {moment(time_of(record))}  {tell(record)}"]
    for name in ("dialogue", "error"):
        if said := record.get(name):
            lines += [f"      | {printable(line)}" for line in str(said).splitlines()]
    return lines


def moment(seconds: float) -> str:
    """`2026-11-21 05:10:03.123`, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _accepted(w: _Words) -> str:
    user = w.with_field(", logged in as ", "user")
    identifier = w.with_field("; Message-ID ", "message_id")
    return (
        f"taken over {w.service}{w.security} from {w.client}{user}: from <{w.sender}> for {w.recipients}, "
        f"{w.size} octets{identifier}; session {w.session}"
    )


def _refused(w: _Words) -> str:
    about = w.with_field(" for ", "recipient") or w.with_field(" for ", "recipients")
    cause = w.with_field(" (", "cause", ")")
    return f"refused to {w.client} at {w.stage}, from <{w.sender}>{about}: {w.reply}{cause}; session {w.session}"


def _checked(w: _Words) -> str:
    author = w.with_field(" in the name of ", "author")
    lists = w.with_field(", ", "lists")
    points = f"{float(w.points):g} points{w.with_field(' (', 'evidence', ')')}, " if w.points else ""
    wait = w.with_field(", ", "greylisting")
    return (
        f"checked: {w.findings}, from <{w.sender}>{author} at [{w.peer}]{lists}: {points}"
        f"{w.action}{wait}; session {w.session}"
    )


def _filtered(w: _Words) -> str:
    said = w.action + w.with_field(": ", "reply")
    return f"the filter {w.filter}, of a message from <{w.sender}>: {said}; session {w.session}"


def _expanded(w: _Words) -> str:
    return f"{w.recipient} stands for {', '.join(filter(None, (w.mailboxes, w.outside)))}"


def _signed(w: _Words) -> str:
    return " and ".join(filter(None, (w.with_field("signed by ", "signer"), w.with_field("sealed by ", "sealer"))))


def _attempt(w: _Words) -> str:
    if w.state == "relayed":
        return f"attempt {w.attempts} for {w.recipient}: taken"
    said = f"{w.host} said {w.reply}" if w.host else w.reply
    again = f"; again at {moment(float(w.due))[:-4]}" if w.due else "; given up"
    return f"attempt {w.attempts} for {w.recipient} failed: {said}{again}"


def _relayed(w: _Words) -> str:
    policy = f"; TLS: {w.policy}" if w.policy else ""
    return f"{w.host} took it for {w.recipient} and said {w.reply}{policy}"


def _retrieved(w: _Words) -> str:
    what = f"the header and {w.lines} lines were" if w.lines else "all of it was"
    others = f", with {int(w.count) - 1} others" if w.count and w.count != "1" else ""
    return f"{what} sent over {w.service} to {w.user} at [{w.peer}]{others}, {w.octets} octets; session {w.session}"


def _login(w: _Words) -> str:
    return f"{w.user} logged in at {w.service}{w.security} from [{w.peer}]{w.password}; session {w.session}"


def _login_refused(w: _Words) -> str:
    cause = w.with_field(" (", "cause", ")")
    return f"login of {w.user or 'somebody'} at {w.service} from [{w.peer}] refused: {w.reply}{cause}"


def _unknown(w: _Words) -> str:
    return w.text or w.event


_TELLERS: Mapping[str, Callable[[_Words], str]] = {
    "connection.refused": lambda w: f"[{w.peer}] was turned away from {w.service}: {w.reply}",
    "client.introduced": lambda w: f"the proxy [{w.peer}] speaks for {w.client}",
    "command.refused": lambda w: f"refused to [{w.peer}]{w.with_field(' ', 'command')}: {w.reply}; session {w.session}",
    "dialogue.kept": lambda w: f"what was said in session {w.session} with [{w.peer}] ({w.why}):",
    "login.accepted": _login,
    "login.refused": _login_refused,
    "message.accepted": _accepted,
    "message.refused": _refused,
    "message.checked": _checked,
    "domain.reported": lambda w: f"{w.recipients} were told what was seen of {w.domain}",
    "message.filtered": _filtered,
    "filter.failed": lambda w: f"the filter {w.filter} failed: {w.problem}; {w.consequence}; session {w.session}",
    "address.expanded": _expanded,
    "message.signed": _signed,
    "message.judged": lambda w: f"{w.reason}: {w.points} points",
    "message.ruled": lambda w: f"by the rules of {w.account} ({w.rules}): {w.done}",
    "rules.failed": lambda w: f"the rules of {w.account} could not be followed, it was kept: {w.problem}",
    "message.stored": lambda w: f"on disk in the mailbox of {w.mailboxes}{w.where}, as {w.file}",
    "message.queued": lambda w: f"on disk in the queue for {w.recipients}, as {w.id}",
    "message.relayed": _relayed,
    "attempt.ended": _attempt,
    "queue.done": lambda w: "left the queue",
    "queue.changed": lambda w: f"an administrator asked for: {w.verb}",
    "queue.damaged": lambda w: f"cannot be read any more, put aside in {w.folder}: {w.why}",
    "report.sent": lambda w: f"{w.sender} was told what became of it, in message {w.report}",
    "report.failed": lambda w: f"{w.sender} could not be told what became of it: {w.reply}",
    "message.retrieved": _retrieved,
    "messages.deleted": lambda w: f"deleted by {w.user} at [{w.peer}] over {w.service}; session {w.session}",
    "session.ended": lambda w: f"{w.user} logged out: {w.retrieved} retrieved, {w.count} deleted; session {w.session}",
    "session.lost": lambda w: (
        f"{w.user} was gone without QUIT: {w.retrieved} retrieved, nothing deleted; session {w.session}"
    ),
    "junk.learned": lambda w: f"{w.account} moved {w.junk} messages into the junk folder and {w.good} out of it",
    "mail.expired": lambda w: f"{w.removed} old messages of {w.account} were removed, {w.announced} announced",
    "page.asked": lambda w: f"{w.user} at [{w.peer}] asked at the page {w.path} for: {w.what}",
    "committer.ended": lambda w: f"the process that writes messages to disk died ({w.why}), a thread does its work",
    "worker.ended": lambda w: f"process {w.number} of the server died ({w.reason})",
    "fault": lambda w: f"a fault of this server: {w.text}",
    "journal.lost": lambda w: f"{w.count} records of the journal were lost",
}
