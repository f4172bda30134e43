"""Docker for the rehearsal: an engine of its own, a registry on loopback, images made on this machine.

`ensure` answers with a running engine that nobody else uses, `stop` ends exactly that one. Everything lies
below one folder, so that removing the folder (after `stop`) removes it all. An engine that the user runs is
neither looked for nor touched.
"""

from rehearsal.docker_engine.engine import Engine
from rehearsal.docker_engine.errors import DockerUnavailableError
from rehearsal.docker_engine.lifecycle import ensure, existing, stop

__all__ = ["DockerUnavailableError", "Engine", "ensure", "existing", "stop"]
