"""What a committee of networks consists of: members, folds, training, weights, calibration."""
