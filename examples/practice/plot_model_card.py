"""
Model cards: what should a saved model say of itself?
=====================================================

A file of weights says neither what it is for nor how well it does. A model card is a page that
travels with it: purpose, limits, parameters, scores, a picture. `skops <https://skops.readthedocs.io>`_
writes most of it, and also saves the model in a format that loads without running any code.

skops is an optional extra: ``pip install skops``.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import ConfusionMatrixDisplay, balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.card import Card

from sknn_opt import MLPClassifier, trusted_types

# %%
# A model, and what is known of it
# --------------------------------

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
network = MLPClassifier(
    (30,), "mish", alpha=0.1, learning_rate_init=0.01, early_stopping=True, random_state=0
)
model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    model, X_test, y_test, display_labels=["malignant", "benign"], colorbar=False, ax=axes[0]
)
axes[0].set_title("test set")
history = network.history_
axes[1].plot(range(1, len(history["loss"]) + 1), history["loss"], label="training")
axes[1].plot(range(1, len(history["loss"]) + 1), history["validation_loss"], label="held out")
axes[1].set(xlabel="epoch", ylabel="log loss", yscale="log", title="training")
axes[1].legend()
plt.show()

# %%
# The card
# --------
# The template of skops has the parameters and a picture of the estimator. What it cannot know, it
# marks as missing until somebody writes it.

card = Card(model)
purpose = "Tells benign from malignant tumours by 30 measurements of cell nuclei."
limits = f"An example, no medical device. Trained on {len(X_train)} samples of one hospital."
sections = {
    "Model description": purpose,
    "Model description/Intended uses & limitations": limits,
}
card.add(**sections)
probabilities = model.predict_proba(X_test)
card.add_metrics(
    **{
        "balanced accuracy": round(balanced_accuracy_score(y_test, model.predict(X_test)), 3),
        "log loss": round(log_loss(y_test, probabilities), 3),
    },
    section="Model description/Evaluation Results",
)

# %%
# Model, card and picture in one folder
# -------------------------------------

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    skops.io.dump(model, folder / "model.skops")
    figure.savefig(folder / "evaluation.png")
    card.add_plot(
        **{"Model description/Evaluation Results/Curves": "evaluation.png"},
        alt_text="confusion matrix, and losses by epoch",
    )
    card.save(folder / "README.md")
    print(*sorted(file.name for file in folder.iterdir()), sep="\n")
    loaded = skops.io.load(folder / "model.skops", trusted=trusted_types())

print("the same predictions:", (loaded.predict(X_test) == model.predict(X_test)).all())

# %%
# What a reader sees of it
# ------------------------
# Some lines of the card, which also has the table of all parameters.

lines = card.render().splitlines()
start = lines.index("## Evaluation Results")
print(*lines[start : start + 12], sep="\n")
