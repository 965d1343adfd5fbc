"""
Diagnosis: what is wrong with a network that does not learn?
============================================================

Twelve layers of logistic units stay at the accuracy of guessing. Instead of trying this and that,
ask :func:`~sknn_opt.inspection.diagnose`, and do what it says.
"""

# %%
# The patient
# -----------

import warnings

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier
from sknn_opt.inspection import GradientFlowDisplay, TrainingCurveDisplay, diagnose

warnings.simplefilter("ignore", ConvergenceWarning)  # thirty epochs are few

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

patient = MLPClassifier((64,) * 12, "logistic", max_iter=30, random_state=0)
patient.fit(X_train, y_train, X_val=X_test, y_val=y_test)
print(f"accuracy: {patient.score(X_test, y_test):.2f}")

# %%
# The diagnosis
# -------------
# It looks at the data, at each layer and at some steps of training. The remedies have been tried:
# each one that is named makes the finding disappear. They are also in ``changes``, ready for
# ``set_params``.

diagnosis = diagnose(clone(patient), X_train, y_train)
print(diagnosis)
change = diagnosis.findings[0].changes[0]
cured = clone(patient).set_params(**change)
cured.fit(X_train, y_train, X_val=X_test, y_val=y_test)
print(f"accuracy with {change}: {cured.score(X_test, y_test):.2f}")

# %%
# Before and after
# ----------------
# On the left are gradients and activations before training; on the right is how training went.

figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
figure.get_layout_engine().set(h_pad=0.15)
for row, network, title in zip(axes, (patient, cured), ("as it was", str(change)), strict=True):
    GradientFlowDisplay.from_estimator(clone(network), X_train, y_train, ax=row[0])
    display = TrainingCurveDisplay.from_estimator(network, ax=row[1])
    display.ax_.set_ylim(-0.1, 2.5)
    display.ax_.set_yscale("linear")
    display.score_ax_.set_ylim(-0.04, 1.04)
    for ax in row:
        ax.set_title(title)
    row[0].set_ylim(1e-10, 10)
plt.show()

# %%
# In the upper left picture the gradient loses a factor of about seven in each layer on its way
# down, and the activations lose the differences between the samples on their way up: the first
# layers learn nothing, and the last ones have nothing to learn from. With the first remedy both
# lines are level, and the accuracy rises from 0.10, that of guessing, to 0.98.
