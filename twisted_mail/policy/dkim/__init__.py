"""Signatures of domains over messages (RFC 6376, RFC 8463): checked on receipt, put on what leaves."""
