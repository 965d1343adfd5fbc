"""Training: epochs of mini-batches, full-batch minimization, progress and validation."""
