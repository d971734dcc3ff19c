"""The machine that tries to break it: real worker processes, faults of every kind, and an oracle that judges from outside.

``tests/faults`` uses it for one fault at a time; ``make chaos`` mixes them at random.
"""
