"""A stack: its file, the engine that works on it, its record in git, its secrets."""
