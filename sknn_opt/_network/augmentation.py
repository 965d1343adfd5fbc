"""How training changes its samples, so that the network learns more than these."""

from typing import NamedTuple

from scipy import sparse


class Augmentation(NamedTuple):
    """Random changes of the samples in each step of training, and in nothing else.

    Attributes
    ----------
    input_noise : float
        Standard deviation of the normal noise that is added to the features.
    mixup : float
        Each sample is mixed with another one, in shares of the distribution Beta(mixup, mixup);
        0: it stays alone.
    """

    input_noise: float = 0.0
    mixup: float = 0.0

    @property
    def is_on(self):
        return any(self)

    def check_features(self, X):
        """Raise ValueError for features that cannot be changed so."""
        for name, value in self._asdict().items():
            if value and sparse.issparse(X):
                raise ValueError(
                    f"{name}={value} does not apply to sparse features, whose zeros would be "
                    f"filled up. Set {name} to 0.0, use input_dropout, which leaves them sparse, "
                    "or pass dense features: X.toarray(), or fewer of them by TruncatedSVD."
                )


#: Training on the samples as they are.
UNCHANGED = Augmentation()
