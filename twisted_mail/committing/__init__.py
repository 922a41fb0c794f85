"""Floor 1: who runs the jobs of durable.py, and where: a thread, or a process that several servers' processes share."""
