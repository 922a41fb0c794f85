"""What an account has learned of its own junk: the filter, its memory, and the deeds that teach it."""
