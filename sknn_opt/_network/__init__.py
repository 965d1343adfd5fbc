"""The network: where its parameters stand, its input, its passes forward and backward."""
