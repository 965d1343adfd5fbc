"""
Sparse features: what do they save?
===================================

A text of eighty words uses few of the thousands of columns of a table of word counts. Does training
make use of that, or does it multiply by all these zeros?
"""

# %%
# Texts, or something like them
# -----------------------------
# Words follow Zipf's law, as they do in a language: the tenth most frequent one is a tenth as
# frequent as the first. Each of five topics has words of its own, which it uses ten times as often.

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from sknn_opt import MLPClassifier


def texts(n_texts, n_words, random_state):
    """Return weighted word counts, of shape (n_texts, n_words), and topics."""
    rng = np.random.default_rng(random_state)
    zipf = 1 / np.arange(1, n_words + 1)
    own = rng.random((5, n_words)) < 0.05
    frequencies = np.where(own, 10 * zipf, zipf)
    frequencies /= frequencies.sum(axis=1, keepdims=True)
    topics = rng.integers(0, 5, n_texts)
    rows = np.repeat(np.arange(n_texts), 80)
    words = np.concatenate([rng.choice(n_words, 80, p=frequencies[topic]) for topic in topics])
    counts = sparse.csr_array((np.ones(len(rows)), (rows, words)), shape=(n_texts, n_words))
    return TfidfTransformer().fit_transform(counts), topics


# %%
# The same training, twice
# ------------------------
# A CSR matrix goes to ``partial_fit``, and to ``fit``, as it is.

SIZES = [500, 1000, 2000, 5000, 10_000]
STYLES = {"dense array": "C1s--", "CSR matrix": "C0o-"}
seconds = {form: [] for form in STYLES}
megabytes = {form: [] for form in STYLES}
for n_words in SIZES:
    X, y = texts(1000, n_words, 0)
    for form, table in {"dense array": X.toarray(), "CSR matrix": X}.items():
        parts = [table] if form == "dense array" else [table.data, table.indices, table.indptr]
        megabytes[form].append(sum(part.nbytes for part in parts) / 1e6)
        network = MLPClassifier((50,), random_state=np.random.RandomState(0))
        network.partial_fit(table, y, classes=range(5))
        start = time.perf_counter()
        for _ in range(5):
            network.partial_fit(table, y)
        seconds[form].append((time.perf_counter() - start) / 5)
    ratio = seconds["dense array"][-1] / seconds["CSR matrix"][-1]
    print(f"{n_words:6} words, {X.nnz / X.shape[0]:.0f} in a text: {ratio:.1f} times as fast")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for form, style in STYLES.items():
    left.loglog(SIZES, seconds[form], style, label=form)
    right.loglog(SIZES, megabytes[form], style, label=form)
left.set(title="Time of an epoch", xlabel="words", ylabel="seconds")
right.set(title="Size of the table", xlabel="words", ylabel="megabytes")
left.legend()
plt.show()

# %%
# A text has 35 to 60 different words, however many there are in all. So a CSR matrix stays near
# one megabyte where the array grows to 80, and training on it is twice as fast for 500 words and
# about five times for 10,000. Its time still grows, since the weights do: Adam moves the weights
# of every word in each step, whether a text had the word or not.
