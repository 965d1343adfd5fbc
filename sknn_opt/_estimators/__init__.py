"""What the estimators share: parameters, targets, fitting, documentation, conversion."""
