"""Floor 5: the `mailserver` command."""
