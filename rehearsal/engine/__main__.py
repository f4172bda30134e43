"""`python -m rehearsal.engine [--ahead]`: make the engine ready, so that nobody waits for it later.

With --ahead a failure is left to whoever needs the engine then, fails the same way and says why.
"""

import sys

from rehearsal.engine import EngineError, ensure

if __name__ == "__main__":
    try:
        ensure()
    except EngineError as error:
        sys.exit(1 if sys.argv[1:] == ["--ahead"] else f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
