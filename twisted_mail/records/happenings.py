"""What can happen: the names that an event's field `event` may have.  (A test looks for each in the source.)

An event with a name is kept in the journal and told by `explain`; one that is not in this table with its own words.
`session` and `id` tie events together: the connection, and the message; the id in the queue is that of the message, a
dash and six digits.
"""

from __future__ import annotations

from collections.abc import Mapping

HAPPENINGS: Mapping[str, str] = {
    "connection.refused": "a client was turned away before it could say anything",
    "client.introduced": "a proxy said for whom it speaks",
    "command.refused": "a command was refused for its syntax, its place or a limit",
    "dialogue.kept": "a connection is over on which something went wrong, with what was said",
    "login.accepted": "a user logged in",
    "login.refused": "a login failed",
    "message.accepted": "a client heard 250 to the end of a message",
    "message.refused": "MAIL, RCPT or the whole message was refused",
    "message.checked": "a message of a stranger was checked: who sent it, and what speaks for junk",
    "domain.reported": "the owner of another domain was told what was seen of it",
    "message.filtered": "a filter refused a message, changed it or threw it away",
    "filter.failed": "a filter did not answer, or raised an error",
    "address.expanded": "an address stood for others",
    "message.signed": "a message for elsewhere got its signatures (DKIM), or a seal (ARC)",
    "message.judged": "the filter of an account took a message for its junk, or for its good mail",
    "message.ruled": "rules of a recipient said where a message goes, or threw it away",
    "rules.failed": "rules of a recipient could not be followed, and the message was kept",
    "message.stored": "a message is in mailboxes, on disk",
    "message.queued": "a message for elsewhere is in the queue, on disk",
    "message.relayed": "another server has taken a message for a recipient",
    "attempt.ended": "an attempt to deliver to a recipient has ended",
    "queue.done": "a message has left the queue",
    "queue.changed": "a person asked for something with a queued message",
    "queue.damaged": "a queued message cannot be read",
    "report.sent": "the sender was told what became of a message",
    "report.failed": "the sender could not be told",
    "message.retrieved": "a POP3 client was sent messages, up to 100 in an event, or the first lines of one",
    "messages.deleted": "a POP3 session ended with QUIT, and what it had marked is deleted",
    "session.ended": "a POP3 session ended with QUIT",
    "session.lost": "a POP3 session ended without QUIT, and deleted nothing",
    "junk.learned": "somebody has moved messages into the junk folder or out of it, and their filter has learned that",
    "mail.expired": "mail of an account was old enough to go",
    "page.asked": "somebody asked for a change at the web page",
    "worker.ended": "a process of the server died",
    "committer.ended": "the process that writes messages to disk died, and a thread does its work",
    "fault": "something of ours failed",
    "journal.lost": "more happened than could be written",
}
