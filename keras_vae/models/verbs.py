"""The verbs of every model: arrays in, NumPy arrays out; `over_rows` says how they run."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae import batching
from keras_vae.layers import BLOCK, SAMPLE_STRIDE
from keras_vae.models import checks, network_checks
from keras_vae.models.over_rows import OverRows

_SAMPLES_A_CALL = 500  # of `log_likelihood`, whatever their number in all: memory stays


class Verbs(OverRows):
    """encode, decode, predict, generate, elbo and log_likelihood of a `BaseModel`."""

    def encode(self, x, batch_size=1024, *, condition=None, sample=False, seed=None):
        """Latents that stand for x: the means of q(z|x), or a draw from each.

        Args:
            x: array `(n, ...)`.
            condition: array of n conditions, for a model that reads one: labels `(n,)`, vectors or
                images `(n, ...)`. Defaults to `None`.
            batch_size: int. Rows at a time, rounded up to a multiple of 128. Defaults to `1024`.
            sample: bool. Draw z from q(z|x) in place of its mean. Defaults to `False`.
            seed: int. Fixes the draws. Defaults to `None`, the model's own: the same at each call.

        Returns:
            float32 array `(n, latent_dim)`.

        Raises:
            ValueError, TypeError: x or condition do not fit the model.
        """
        x, condition = self._checked_input(x, condition)
        if not sample:
            return self.over_rows("encode", self.code, x, condition, batch_size)

        def draw(x, condition=None):
            q = self.posterior(x, condition)
            return self.sampling((q.mean, q.log_var))

        return self.over_rows("draw", draw, x, condition, batch_size, seed=seed)

    def decode(self, z, batch_size=1024, *, condition=None):
        """Means of p(x|z), an array `(n, ...)` of the data's shape, for z `(n, latent_dim)`.

        Args:
            z: array `(n, latent_dim)`.
            condition: array of n conditions, or one for all n. Defaults to `None`.
            batch_size: as in `encode`.
        """
        checks.check_in_memory(z, "z")
        z = batching.to_array(z, "z")
        condition = checks.checked_condition(self, condition, len(z), one_for_all=True)
        self.ensure_built(y=condition)
        checks.check_input(z, self.latent_shape, "z")
        checks.check_finite(z, "z")

        def mean(z, condition=None):
            return self.likelihood(z, condition).mean

        return self.over_rows("decode", mean, z, condition, batch_size)

    def predict(
        self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, *, condition=None
    ):
        """Reconstructions: the mean of p(x|z) at the mean of q(z|x). Arguments as Keras's.

        A dataset gives the condition itself, as (x, condition); with an array it is `condition=`.
        """
        if batch_size is not None:
            checks.check_count(batch_size, "batch_size", least=1)
        if batching.is_array(x):
            x, condition = self._checked_input(x, condition)
            if condition is not None:
                x = self._batched((x, condition, None), batch_size, steps, shuffle=False)
                batch_size = None
        elif not hasattr(x, "__iter__") or isinstance(x, (dict, tuple)):
            checks.check_in_memory(x)
        elif condition is not None:
            raise TypeError("condition= goes with an array; a dataset gives (x, condition) itself.")
        return super().predict(
            x, batch_size=batch_size, verbose=verbose, steps=steps, callbacks=callbacks
        )

    def predict_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self(x if y is None else (x, y), training=False)  # Keras would drop y

    def generate(self, n, seed=None, sample=False, *, condition=None, latents=None):
        """New examples: z ~ p(z), then the mean of p(x|z), or a draw from it.

        Args:
            n: int, at least 1.
            seed: int. The same seed gives the same examples, and the first of more. Defaults to
                `None`: new ones at each call.
            sample: bool. Draw x from p(x|z), noise and all, in place of its mean. Defaults to
                `False`.
            condition: array of n conditions, or one for all n. Defaults to `None`.
            latents: Prior that z is drawn from in place of the model's, for example a
                `priors.Mixture` fitted to the latents of data. Defaults to `None`.

        Returns:
            float32 array `(n, ...)`.

        Raises:
            ValueError, TypeError: condition or latents do not fit the model.
        """
        checks.check_count(n, "n", least=1)
        condition = checks.checked_condition(self, condition, n, one_for_all=True)
        self.ensure_built(y=condition)
        prior = self.prior
        if latents is not None:
            network_checks.check_prior(latents, self, "latents")
            if latents.condition is not None:
                checks.check_condition(condition, latents.condition)
                checks.check_condition_values(condition, latents.condition)
            prior = latents.distribution
        seed = checks.checked_seed(seed)
        if seed is None:
            seed = int(keras.random.randint((), 0, 2**31 - 1, seed=self.generation_noise))

        def draw(seed_and_block, rows, condition=None):
            z = prior(condition).sample(seed_and_block, (BLOCK, *self.latent_shape))[:rows]
            p_x = self.likelihood(z, None if condition is None else condition[:rows])
            return p_x.sample(-1 - seed_and_block) if sample else p_x.mean

        parts = []
        for start in range(0, n, BLOCK):
            arguments = [np.array([seed, start // BLOCK]), np.array(min(BLOCK, n - start))]
            if condition is not None:  # of a whole block: fewer rows draw the first of its noise
                rows = np.minimum(np.arange(start, start + BLOCK), n - 1)
                arguments.append(condition[rows])
            parts.append(self._call_compiled(("generate", sample), draw, arguments, [latents]))
        return np.concatenate(parts)

    def elbo(self, x, seed=None, batch_size=1024, *, condition=None):
        """The evidence lower bound of each example, in nats, at beta = 1 (lecture row F1).

            ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x)

        Estimated with one draw of z for each example.

        Args:
            x: array `(n, ...)`, within the support of the likelihood.
            seed: int. Fixes the noise. Defaults to `None`, the model's own.
            batch_size, condition: as in `encode`.

        Returns:
            float32 array `(n,)`.

        Raises:
            ValueError: x does not fit the model.
            TypeError: the model has no densities.
        """
        if "elbo" not in self.loss_names:
            raise TypeError(
                f"This {type(self).__name__} has no ELBO: it has no p(z) and no q(z|x)."
            )
        x, condition = self._checked_input(x, condition)
        self._check_values(x, condition)

        def bound(x, condition=None):
            return self.objective(x, condition, training=False)["elbo"]

        return self.over_rows("elbo", bound, x, condition, batch_size, seed=seed)

    def log_likelihood(self, x, num_samples=500, seed=None, batch_size=1024, *, condition=None):
        """Importance-weighted estimate of log p(x) of each example, in nats (Burda 2016, eq. 8).

            log p(x) ~ log 1/K sum_k p(x, z_k) / q(z_k|x),   z_k ~ q(z|x)

        A lower bound on average too, between the ELBO (K = 1) and log p(x); tighter with each
        sample (lecture row F8).

        Args:
            x: array `(n, ...)`.
            num_samples: int. K, exactly this many. Defaults to `500`.
            seed: int. Fixes the noise. Defaults to `None`, the model's own.
            batch_size, condition: as in `encode`.

        Returns:
            float32 array `(n,)`.
        """
        if not hasattr(self, "log_weights"):
            raise TypeError(
                f"This {type(self).__name__} has no p(x): no p(z) to average p(x|z) over."
            )
        checks.check_count(num_samples, "num_samples", least=1)
        x, condition = self._checked_input(x, condition)
        self._check_values(x, condition)

        def log_sum(samples, x, condition=None):
            return ops.logsumexp(self.log_weights(x, condition, samples), axis=1)

        total = -np.inf  # log of the sum of the weights so far
        for done in range(0, num_samples, _SAMPLES_A_CALL):
            samples = np.array(min(_SAMPLES_A_CALL, num_samples - done))
            noise = {"seed": seed, "block": done * SAMPLE_STRIDE}
            part = self.over_rows(
                "log_sum", log_sum, x, condition, batch_size, numbers=[samples], **noise
            )
            total = np.logaddexp(total, part.astype("float64"))
        return (total - math.log(num_samples)).astype("float32")

    def _checked_input(self, x, condition=None):
        checks.check_in_memory(x)
        x = batching.to_array(x)
        checks.check_input(x, self.x_shape, "x")
        checks.check_finite(x, "x", self.accepts_missing)
        condition = checks.checked_condition(self, condition, len(x))
        self.ensure_built(x, condition)
        return x, condition
