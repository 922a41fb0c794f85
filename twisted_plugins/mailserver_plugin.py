"""Makes `twistd mailserver` and `twist mailserver` known to Twisted."""

from twisted.application.service import ServiceMaker

mailserver = ServiceMaker("mailserver", "twisted_mail.tap", "A mail server: SMTP, submission, POP3.", "mailserver")
