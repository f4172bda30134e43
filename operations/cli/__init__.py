"""The verbs as a person types them, one module a group; `operations.__main__` lists them.

Owns options, questions, tables and progress. What a verb does is in the module of `operations` with its name.
"""
