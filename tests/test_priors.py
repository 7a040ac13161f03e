"""Priors are layers that give p(z)."""

import keras
import numpy as np
import pytest
import scipy.stats

from keras_vae import priors


def test_standard_normal_is_scipys():
    p = priors.get("standard_normal").distribution()
    z = np.random.default_rng(0).normal(size=(5, 3))
    expected = scipy.stats.norm.logpdf(z).sum(axis=1)
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-5)
    assert p.sample(seed=1, shape=(7, 3)).shape == (7, 3)


def test_get_makes_names_and_keeps_objects():
    own = priors.StandardNormal()
    assert priors.get(own) is own
    assert priors.get("standard_normal") is not priors.get("standard_normal")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own))
    assert isinstance(again, priors.StandardNormal)
    with pytest.raises(ValueError, match="expected one of"):
        priors.get("flat")
