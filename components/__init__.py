"""One ComponentResource a file: each maps rows of the plan to resources and decides nothing."""
