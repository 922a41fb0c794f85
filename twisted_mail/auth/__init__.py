"""Floor 4: who may log in, and which addresses exist."""
