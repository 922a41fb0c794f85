"""What is believed of a message: who sent it, and what its domain's owner says about that."""
