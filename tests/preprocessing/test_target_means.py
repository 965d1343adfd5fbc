import numpy as np
import pandas as pd
import pytest

from sknn_opt._ensembles.recipe import make_target_encoder
from sknn_opt.preprocessing import TabularEncoder

rng = np.random.default_rng(0)
N = 400
TABLE = pd.DataFrame(
    {
        "number": rng.normal(size=N),
        "street": rng.choice([f"street {i:02}" for i in range(20)] + [None], N),
        "town": rng.choice(["Oslo", "Rome"], N),
    }
)
CODES = pd.factorize(TABLE["street"].astype(object).where(TABLE["street"].notna(), "gap"))[0]
Y = CODES + rng.normal(size=N)


def encoder(target_type="continuous", **changes):
    means = make_target_encoder(target_type)
    return TabularEncoder(target_encoder=means, n_bins=0, n_frequencies=0, **changes)


def standardised(x, reference):
    return np.clip((x - reference.mean(axis=0)) / reference.std(axis=0), -4, 4)


def test_means_are_those_of_scikit_learn():
    fitted = encoder()
    encoded = fitted.fit_transform(TABLE, Y)
    theirs = make_target_encoder("continuous")
    known = theirs.fit_transform(CODES[:, np.newaxis], Y)
    np.testing.assert_allclose(encoded[:, -1:], standardised(known, known), rtol=1e-5, atol=1e-6)
    of_all = theirs.transform(CODES[:, np.newaxis])
    transformed = fitted.transform(TABLE)[:, -1:]
    np.testing.assert_allclose(transformed, standardised(of_all, known), rtol=1e-5, atol=1e-6)
    assert fitted.targets_ == [1]
    assert fitted.get_feature_names_out()[-1] == "street_target0"
    assert fitted.origins_[-1] == 1


def test_rows_do_not_see_their_own_target():
    random = rng.normal(size=N)
    own = encoder(max_categories=1).fit_transform(TABLE, random)[:, -1]
    assert abs(np.corrcoef(own, random)[0, 1]) < 0.2


@pytest.mark.parametrize("n_classes", [2, 3, 12])
def test_a_share_of_each_class(n_classes):
    y = np.array([f"class {c}" for c in CODES % n_classes])
    encoded = encoder("auto").fit_transform(TABLE, y)
    n_columns = 1 if n_classes == 2 else n_classes
    names = encoder("auto").fit(TABLE, y).get_feature_names_out()
    assert sum("_target" in name for name in names) == n_columns
    for k, name in enumerate(np.unique(y)[-n_columns:]):
        column = encoded[:, encoded.shape[1] - n_columns + k]
        assert np.corrcoef(column, y == name)[0, 1] > 0.8


def test_where_there_are_none():
    many_classes = CODES % 13
    for fitted in (
        encoder("auto").fit(TABLE, many_classes),
        encoder().fit(TABLE[["number", "town"]], Y),
        encoder().fit(TABLE, np.column_stack([Y, Y])),
        encoder("auto").fit(TABLE, np.zeros(N, int)),
        encoder(few_categories=30).fit(TABLE, Y),
    ):
        assert fitted.targets_ == []
        assert fitted.transform(TABLE[list(fitted.feature_names_in_)]).shape[0] == N


def test_new_categories_are_the_mean():
    fitted = encoder().fit(TABLE, Y)
    new = TABLE.assign(street="never seen")
    assert len(set(fitted.transform(new)[:, -1])) == 1


def test_it_needs_targets():
    with pytest.raises(ValueError, match="requires y to be passed"):
        encoder().fit(TABLE)
