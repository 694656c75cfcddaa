"""Units of figures for people."""

GB = 1e9
"""Bytes of a gigabyte: decimal, in settings as in messages."""
