"""The control room: operator plane, reactor, embedded stack, command line and dashboard."""

__version__ = "0.1.0"
