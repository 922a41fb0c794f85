"""MTA-STS: what domains say over HTTPS of the TLS with which their mail shall come (RFC 8461)."""
