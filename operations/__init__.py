"""What a person runs between previews: each verb edits the stack file or reads the accounts.

`python -m operations VERB --stack STACK`. Secret values come from a prompt or standard input, never from
arguments, and stack files are replaced whole, never left half-written.
"""
