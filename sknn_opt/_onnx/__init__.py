"""From fitted estimators to ONNX graphs."""
