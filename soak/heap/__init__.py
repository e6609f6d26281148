"""The census of a live CPython heap, read from outside: the target is neither stopped nor changed.

``soak.heap.census.take_census`` is the way in. Linux on x86-64, CPython 3.10 to 3.15.
"""
