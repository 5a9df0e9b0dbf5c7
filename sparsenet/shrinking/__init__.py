"""Removing channels that are zero from a net for good, so that a smaller one computes the same."""
