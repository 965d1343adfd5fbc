"""What needs libraries that the core does without; its tests are in tests/integrations."""

#: Pages of the guide whose code does.
PAGES = ("distributed", "mlflow", "onnx")
