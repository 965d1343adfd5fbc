import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import randint
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPRegressor
from sknn_opt._ensembles.members import make_members


def pipeline(*steps, **parameters):
    return make_pipeline(*steps, MLPRegressor(**parameters))


def members(estimators, n_members=4, n_folds=2, draws=None, seed=0):
    named = estimators if isinstance(estimators, list) else [("", estimators)]
    folds = [[None] * n_folds] * len(named)
    return make_members(named, n_members, folds, draws, np.random.RandomState(seed))


def test_members_are_taken_from_a_list_in_turn():
    made = members([("small", MLPRegressor((3,))), ("large", MLPRegressor((9,)))], 5)
    assert [member.name for member in made] == ["small", "large", "small", "large", "small"]
    assert made[3].network.hidden_layer_sizes == (9,)


def test_each_network_has_seeds_of_its_own():
    seeds = np.concatenate([member.seeds for member in members(MLPRegressor(), 50, 4)])
    assert len(np.unique(seeds)) == seeds.size


def test_members_are_the_same_however_many_follow():
    for one, same in zip(members(MLPRegressor(), 3), members(MLPRegressor(), 9), strict=False):
        assert_array_equal(one.seeds, same.seeds)


def test_users_estimators_are_not_changed():
    network = MLPRegressor(alpha=1.0)
    members(network, draws={"alpha": [2.0]})
    assert network.alpha == 1.0


# -- draws -------------------------------------------------------------------------------


def test_hyperparameters_are_drawn_anew_for_each_member():
    made = members(MLPRegressor(), 60, draws={"alpha": [0.1, 0.2], "max_iter": randint(5, 8)})
    drawn = {(member.network.alpha, member.network.max_iter) for member in made}
    assert drawn == {(alpha, n) for alpha in (0.1, 0.2) for n in (5, 6, 7)}
    again = members(MLPRegressor(), 60, draws={"alpha": [0.1, 0.2], "max_iter": randint(5, 8)})
    assert [repr(one.network) for one in made] == [repr(one.network) for one in again]


def test_one_of_several_dicts_is_drawn():
    made = members(MLPRegressor(), 40, draws=[{"alpha": [7.0]}, {"tol": [1.0], "dropout": [0.5]}])
    drawn = {(member.network.alpha, member.network.dropout) for member in made}
    assert drawn == {(7.0, 0.0), (1e-4, 0.5)}


def test_names_of_hyperparameters_start_with_those_of_their_member():
    named = [("a", MLPRegressor()), ("b", pipeline(StandardScaler()))]
    draws = {
        "a__alpha": [7.0],
        "b__mlpregressor__alpha": [8.0],
        "b__standardscaler": [MinMaxScaler()],
    }
    a, b = members(named, 2, draws=draws)
    assert (a.network.alpha, b.network.alpha) == (7.0, 8.0)
    assert isinstance(b.encoder[0], MinMaxScaler)


@pytest.mark.parametrize(
    ("estimators", "draws", "message"),
    [
        (MLPRegressor(), {"alhpa": [1.0]}, "Invalid parameter 'alhpa'"),
        ([("a", MLPRegressor())], {"alpha": [1.0]}, "Say whose parameter it is: 'a__alpha'"),
        ([("a", MLPRegressor())], {"a__alhpa": [1.0]}, "Invalid parameter 'alhpa'"),
        (MLPRegressor(), {"alpha": []}, "non-empty"),
    ],
)
def test_draws_that_cannot_be(estimators, draws, message):
    with pytest.raises(ValueError, match=message):
        members(estimators, draws=draws)


# -- encoders ----------------------------------------------------------------------------


def test_members_with_equal_encoders_share_a_view():
    named = [
        ("a", pipeline(StandardScaler(), alpha=1.0)),
        ("b", pipeline(StandardScaler(), alpha=2.0)),
        ("c", pipeline(StandardScaler(with_mean=False))),
        ("d", pipeline(StandardScaler(), PolynomialFeatures())),
        ("e", MLPRegressor()),
        ("f", make_pipeline(MLPRegressor())),
    ]
    a, b, c, d, e, f = members(named, 6)
    assert a.view == b.view
    assert e.view == f.view
    assert len({a.view, c.view, d.view, e.view}) == 4
    assert e.encoder is f.encoder is None


def test_an_encoder_that_cannot_be_pickled_is_a_view_of_its_own():
    one, other = members(pipeline(FunctionTransformer(lambda X: X)), 2)
    assert one.view != other.view


def test_encoders_without_a_seed_are_given_the_same_one():
    one, other = members(pipeline(GaussianRandomProjection(2)), 2)
    assert one.encoder[0].random_state == other.encoder[0].random_state is not None
    assert one.view == other.view
    seeded = pipeline(GaussianRandomProjection(2, random_state=7))
    assert members(seeded, 1)[0].encoder[0].random_state == 7


def test_a_fitted_member_is_a_pipeline_of_fitted_parts():
    member = members(pipeline(StandardScaler()), 1)[0]
    X = np.arange(8.0).reshape(4, 2)
    encoder = clone(member.encoder).fit(X)
    network = MLPRegressor((), optimizer="lbfgs").fit(encoder.transform(X), X[:, 0])
    fitted = member.fitted(encoder, network)
    assert_array_equal(fitted.predict(X), network.predict(encoder.transform(X)))
    assert member.estimator[-1] is not network


# -- parameters of members in a list -----------------------------------------------------


def named():
    return MLPEnsembleClassifier(
        [
            ("smooth", make_pipeline(StandardScaler(), MLPClassifier(alpha=1.0))),
            ("steps", MLPClassifier(alpha=2.0)),
        ]
    )


def test_parameters_of_named_members_are_the_committees():
    params = named().get_params()
    assert params["estimator__smooth__mlpclassifier__alpha"] == 1.0
    assert params["estimator__steps__alpha"] == 2.0
    assert isinstance(params["estimator__steps"], MLPClassifier)
    assert "estimator__steps" not in named().get_params(deep=False)


def test_parameters_of_named_members_are_set():
    model = named()
    before = model.estimator
    model.set_params(
        estimator__smooth__mlpclassifier__alpha=3.0,
        estimator__steps=MLPClassifier(alpha=4.0),
        n_estimators=5,
    )
    assert model.estimator[0][1][-1].alpha == 3.0
    assert model.estimator[1][1].alpha == 4.0
    assert before[1][1].alpha == 2.0
    model.set_params(estimator=[("new", MLPClassifier())], estimator__new__alpha=5.0)
    assert model.estimator[0][1].alpha == 5.0
    model.set_params(estimator=MLPClassifier(), estimator__alpha=6.0)
    assert model.estimator.alpha == 6.0


def test_a_clone_has_members_of_its_own():
    model = named()
    cloned = clone(model).set_params(estimator__steps__alpha=9.0)
    assert model.estimator[1][1].alpha == 2.0
    assert cloned.estimator[1][1].alpha == 9.0


@pytest.mark.parametrize("name", ["estimator__other__alpha", "estimator__steps__alhpa", "alpha"])
def test_parameters_that_no_member_has(name):
    with pytest.raises(ValueError, match="Invalid parameter"):
        named().set_params(**{name: 1.0})


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [MLPClassifier()],
        [("a", MLPClassifier(), 1)],
        [(1, MLPClassifier())],
        [("a", MLPClassifier()), ("a", MLPClassifier())],
        [("a__b", MLPClassifier())],
        [("a", StandardScaler())],
    ],
)
def test_lists_that_are_no_members(pairs):
    model = MLPEnsembleClassifier(pairs)
    model.get_params()
    with pytest.raises(ValueError, match=r"estimator|unique|__|networks"):
        model.fit([[0.0], [1.0]], [0, 1])


def test_the_diagram_shows_all_members():
    html = named()._repr_html_()
    assert "smooth" in html
    assert "steps" in html
    assert html.count("MLPClassifier") >= 2
    assert "MLPClassifier" in MLPEnsembleClassifier()._repr_html_()
