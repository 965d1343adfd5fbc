"""Predict without Python: a pipeline as an ONNX model, in onnxruntime.

Needs ``pip install "sknn_opt[onnx]" onnxruntime``. Prints the size of the model, and how far its
predictions, which are computed in float32, are from those of the pipeline.
"""

import numpy as np
import onnxruntime
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier
from sknn_opt.onnx import to_onnx

X, y = load_wine(return_X_y=True)
network = MLPClassifier((20,), "mish", normalization="batch", learning_rate_init=0.01)
pipeline = make_pipeline(StandardScaler(), network).fit(X, y)

model = to_onnx(pipeline).SerializeToString()  # bytes, to be written to a file

session = onnxruntime.InferenceSession(model)
labels, probabilities = session.run(None, {"X": X})

difference = np.abs(probabilities - pipeline.predict_proba(X)).max()
print(f"{len(model)} bytes; probabilities differ by up to {difference:.1g}")
print("same classes:", np.array_equal(labels, pipeline.predict(X)))
