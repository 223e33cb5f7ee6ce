"""Keeps the results of expensive computations on disk."""
