"""The one error of this package, in a module of its own so that every part can raise it."""


class EngineError(Exception):
    """The engine cannot be had; the message says why and what to install."""
