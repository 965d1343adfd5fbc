"""From Python functions to machine code: the only folder that knows numba."""
