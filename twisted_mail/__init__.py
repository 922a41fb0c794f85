"""A mail server in one process: SMTP in, submission, POP3 out, plain Maildirs.  Start reading at interfaces.py."""
