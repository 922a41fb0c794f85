"""Floor 5: moving in and out: mailboxes of other servers, lists of unique-ids, copies of the whole."""
