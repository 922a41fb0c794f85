"""What the server remembers of what it does: the log's lines, the journal, the counters."""
