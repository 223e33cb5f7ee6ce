"""Mapped arrays between processes of one machine: sent as references that map again there, instead of as bytes."""

from ndstash._travel.picklers import register

__all__ = ["register"]
