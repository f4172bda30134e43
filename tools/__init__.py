"""Development tools: documents generated from the plan's rows. Nothing here runs at deployment."""
