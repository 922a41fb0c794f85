"""Floor 4: the policies and the router between a connection and a mailbox."""
