"""The milter protocol, version 6, as the side of the mail server: filters that were written for sendmail or Postfix."""
