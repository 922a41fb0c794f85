"""Filters by others and filters in Python, as one target around a target: contract.py says what a filter is."""
