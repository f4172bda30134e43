"""What a person does: a module or a folder a verb."""
