"""Priors: layers that give the distribution of the latents, p(z) or p(z|c)."""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_vae import checks
from keras_vae.distributions import Normal, NormalMixture, soft_bound


class Prior(checks.Fixed, keras.layers.Layer):
    """Base class of the priors: `distribution` gives p(z), or p(z|c).

    The arguments of its constructor are fixed: compiled functions treat them as constants.
    """

    latent_dim = None  # None: any
    condition = None  # of p(z|c), as in the builders of networks; None: p(z)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def distribution(self, condition=None):
        """p(z) as a Distribution that broadcasts with latents of shape `(batch, latent_dim)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no distribution.")


@keras.saving.register_keras_serializable(package="keras_vae")
class StandardNormal(Prior):
    """p(z) = N(0, I), with no weights: the prior of Kingma and Welling (2014)."""

    def distribution(self, condition=None):
        return Normal(mean=0.0, log_var=0.0)


@keras.saving.register_keras_serializable(package="keras_vae")
class Mixture(Prior):
    """A mixture of normals, p(z) = sum_k w_k N(z; mean_k, variance_k), or one for each condition.

    As the `prior` of a model it is trained with the networks, by the bound. With one component and
    a condition it is the prior network of Sohn (2015). Or train the model with another prior, then
    `fit` the mixture to the latents of the data. The aggregate posterior (the mean of q(z|x) over
    the data) differs from p(z): where it has no mass, the decoder has learned nothing (Ghosh 2020,
    section 4).

        mixture = priors.Mixture(latent_dim=6, components=10, condition=10)
        mixture.fit(vae.encode(x, condition=y, sample=True), y)
        vae.generate(100, condition=7, latents=mixture)

    To save it, make it a model's prior: `ConditionalVAE(vae.encoder, vae.decoder, prior=mixture)`
    generates from it and bounds log p(x|c) under it.

    Args:
        latent_dim: int. Size of z.
        components: int. Number of normals for each condition. With one, the KL term has a closed
            form; with more it is estimated from one draw. Defaults to `1`.
        condition: as in `networks.dense`: an int, the number of classes; or the shape of a vector
            or an image. Logits, means and log-variances are linear in it. Defaults to `None`: one
            p(z) for all.

    Raises:
        ValueError: a size is out of range.
    """

    def __init__(self, latent_dim, components=1, condition=None, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = checks.count(latent_dim, "latent_dim")
        self.components = checks.count(components, "components")
        self.condition = checks.condition_size(condition)
        self.width = self.components * (1 + 2 * self.latent_dim)  # logits, means, log-variances
        float32 = {"dtype": "float32"}  # whatever the policy of the networks
        self.bias = self.add_weight((self.width,), self._apart, name="bias", **float32)
        if condition is not None:
            inputs = math.prod(np.atleast_1d(self.condition))
            self.kernel = self.add_weight((inputs, self.width), "zeros", name="kernel", **float32)

    def _apart(self, shape, dtype=None):
        """N(0, I) for one normal; several need different means, or they would stay equal."""
        start = np.zeros(shape)
        if self.components > 1:
            means = slice(self.components, self.components * (1 + self.latent_dim))
            start[means] = np.random.default_rng(0).normal(size=start[means].shape)
        return ops.convert_to_tensor(start, dtype)

    def distribution(self, condition=None):
        """p(z|c) for n conditions: labels `(n,)` or arrays `(n, ...)`; p(z) without a condition."""
        parameters = self.bias[None]
        if self.condition is not None:
            if condition is None:
                raise ValueError("condition is None, but this prior reads a condition; pass one.")
            condition = ops.convert_to_tensor(condition)
            eager = tf.executing_eagerly()
            if isinstance(self.condition, int) and not eager:
                condition = ops.cast(condition, "int32")  # Keras serves labels as floats
            checks.conditions(condition, self.condition, "condition", values=eager)
        if isinstance(self.condition, int):
            parameters = parameters + ops.take(self.kernel, ops.cast(condition, "int32"), axis=0)
        elif self.condition is not None:
            flat = ops.reshape(ops.cast(condition, "float32"), (-1, self.kernel.shape[0]))
            parameters = parameters + ops.matmul(flat, self.kernel)
        logits, means, log_vars = ops.split(
            parameters, [self.components, self.components * (1 + self.latent_dim)], axis=-1
        )
        shape = (-1, self.components, self.latent_dim)
        means, log_vars = ops.reshape(means, shape), soft_bound(ops.reshape(log_vars, shape))
        if self.components == 1:
            return Normal(means[:, 0], log_vars[:, 0])
        return NormalMixture(logits, means, log_vars)

    def fit(self, z, condition=None, seed=0):
        """Set the weights to those of a `sklearn.mixture.GaussianMixture` of z, one for each class.

        Args:
            z: array `(n, latent_dim)`: draws from q(z|x), `vae.encode(x, sample=True)`.
            condition: array of n integer labels, if p(z|c) reads labels. Defaults to `None`.
            seed: int. Fixes the initial guess. Defaults to `0`.

        Returns:
            The layer itself.

        Raises:
            ValueError: z and condition do not fit the layer, or a class has too few examples.
        """
        from sklearn.mixture import GaussianMixture  # slow to import, and needed only here

        z = checks.array(z, "z").astype("float64")
        if isinstance(self.condition, tuple):
            raise ValueError(
                "A mixture that reads vectors or images cannot be fitted; train it as the prior of "
                "a model."
            )
        checks.example_shape(z, (self.latent_dim,), "z")
        checks.finite(z, "z")
        if (condition is None) != (self.condition is None):
            raise ValueError(
                f"This mixture reads condition={self.condition}; "
                + ("give the label of each z." if condition is None else "leave the labels out.")
            )
        labels = np.zeros(len(z), int)
        if condition is not None:
            labels = checks.array(condition, "condition")
            checks.lengths(z=z, condition=labels)
            checks.conditions(labels, self.condition, "condition")
        rows = []
        for label in range(self.condition or 1):
            members = z[labels == label]
            if len(members) < max(2, self.components):
                raise ValueError(
                    f"Class {label} has {len(members)} examples; expected at least "
                    f"{max(2, self.components)}, for {self.components} components."
                )
            found = GaussianMixture(
                self.components, covariance_type="diag", reg_covar=1e-4, random_state=seed
            ).fit(members)
            log_vars = np.clip(np.log(found.covariances_), -19, 19)
            log_vars = 20 * np.arctanh(log_vars / 20)  # undoes `soft_bound`
            rows.append(
                np.concatenate([np.log(found.weights_), found.means_.ravel(), log_vars.ravel()])
            )
        if self.condition is None:
            self.bias.assign(rows[0])
        else:
            self.bias.assign(np.zeros(self.width))
            self.kernel.assign(rows)
        return self

    def get_config(self):
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "components": self.components,
            "condition": self.condition,
        }


_NAMES = {"standard_normal": StandardNormal}


def get(identifier):
    """A prior from its name (`"standard_normal"`); a layer is returned unchanged.

    Raises:
        ValueError: the name is unknown.
    """
    if isinstance(identifier, Prior):
        return identifier
    if isinstance(identifier, str) and identifier in _NAMES:
        return _NAMES[identifier]()
    raise ValueError(
        f"prior is {identifier!r}; expected one of {sorted(_NAMES)} or a keras_vae.priors layer."
    )
