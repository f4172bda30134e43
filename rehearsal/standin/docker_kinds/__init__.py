"""The parts of the Docker stand-in: `session` (which engine), `fields` (translation), and the kinds."""
