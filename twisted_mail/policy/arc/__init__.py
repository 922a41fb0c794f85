"""The chain of those who handed a message on, each saying what it found when the message came (RFC 8617)."""
