"""Floor 1: SMTP as pure values and sessions (RFC 5321): bytes in, events out; replies in, bytes out."""
