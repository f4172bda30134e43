"""The deployment plan as data and pure functions.

Nothing here imports a Pulumi resource; `settings` alone reads the stack's config. Components map what
these modules return to resources and decide nothing themselves.
"""
