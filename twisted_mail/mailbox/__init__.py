"""Floor 4: Maildirs: delivering into them and reading them back."""
