"""Run a pipeline without Python: from sknn_opt through scikit-learn's class to ONNX.

Needs ``pip install "sknn_opt[onnx]"``. Prints how far the predictions of ONNX's runtime, which
computes in float32, are from those of the pipeline.
"""

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier

X, y = load_wine(return_X_y=True)
X = X.astype(np.float32)
network = MLPClassifier((20,), learning_rate_init=0.01, random_state=0)
pipeline = make_pipeline(StandardScaler(), network).fit(X, y)

# Converters know scikit-learn's own network.
theirs = Pipeline([*pipeline.steps[:-1], ("network", pipeline[-1].to_sklearn())])
model = to_onnx(theirs, X[:1], options={"zipmap": False}).SerializeToString()

session = onnxruntime.InferenceSession(model)
labels, probabilities = session.run(None, {"X": X})

difference = np.abs(probabilities - pipeline.predict_proba(X)).max()
print(f"{len(model)} bytes; probabilities differ by up to {difference:.1g}")
print("same classes:", np.array_equal(labels, pipeline.predict(X)))
