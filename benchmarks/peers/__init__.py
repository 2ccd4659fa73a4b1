"""Other engines, each in an environment of its own, measured beside ours by benchmarks/engine.py."""
