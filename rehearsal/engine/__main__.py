"""`python -m rehearsal.engine`: make the engine ready, so that nobody waits for it later."""

import sys

from rehearsal.engine import EngineError, ensure

if __name__ == "__main__":
    try:
        ensure()
    except EngineError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
