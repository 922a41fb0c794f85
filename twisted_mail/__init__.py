"""A mail server in one command: SMTP in, submission, POP3 out, plain Maildirs.  Start reading at interfaces.py."""
