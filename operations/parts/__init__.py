"""What a release consists of, and what of it really serves."""
