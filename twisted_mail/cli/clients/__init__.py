"""Mail programs that `mailserver try --as` can pass for: what they send, and what they want of a certificate."""
