"""The parts of benchmarks/engine.py: what is asked of every engine, and what the answers come to."""
