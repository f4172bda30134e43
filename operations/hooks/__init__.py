"""Hooks of a plain `pulumi up`: what it asks of the services before it changes them and afterwards."""
