"""The one error of this package, in a module of its own so that every part can raise it."""


class DockerUnavailableError(Exception):
    """The rehearsal cannot have an engine of its own here; the message says why and what would help.

    Whoever catches it records Docker resources only, and says so.
    """
