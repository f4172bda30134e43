"""One ComponentResource a file: each maps rows of the plan to resources and decides nothing."""

import gc

# The first room that the program imports. The SDKs' objects live as long as it does, and at Python's own
# threshold a preview spends 0.04 s on a collection that finds nothing among them.
gc.set_threshold(100_000)
