"""Floor 4: the durable queue of outgoing mail: files, the schedule of attempts, and reports of what became of them."""
