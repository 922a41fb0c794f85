"""`python -m twisted_mail.cli`: the `mailserver` command without its script."""

import sys

from twisted_mail.cli.main import main

sys.exit(main())
