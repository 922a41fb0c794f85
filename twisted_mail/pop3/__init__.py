"""Floor 1: POP3 as a pure session (RFC 1939): bytes in, events out; replies in, bytes out."""
