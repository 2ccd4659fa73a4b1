"""Serve the models of an engine to others, in the language of OpenAI's interface."""
