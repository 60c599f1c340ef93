"""Parcel tracking: takes what carriers report by webhook, and knows where each parcel is."""

__version__ = "1.1.0"
