"""What browsers and mail programs ask for over HTTP."""
