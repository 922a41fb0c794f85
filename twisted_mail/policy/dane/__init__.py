"""DANE: what domains say in signed DNS of the certificates of their servers (RFC 6698, RFC 7672)."""
