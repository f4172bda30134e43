"""`make bench`: what previews cost, beside the same without this program. Asserts nothing.

Every figure is a median of runs that alternate with what they are compared with, and stands beside its
quartiles. A machine that was busy is told as such, and then nothing is written.
"""
