"""ControlVAE (Shao 2020): a controller chooses beta so that the KL stays at a set point.

The error of a step is e = log(KL / kl), limited to [-2, 2], and

    log beta = log(first beta) + proportional * e + integral * (sum of all errors so far)

A KL above the set point raises beta, one below lowers it. Where beta is at a limit, the sum stands
still (the paper's anti-windup). The paper controls beta itself by the error in nats, with gains for
each data set. With the two logarithms one pair of gains serves from beta = 1e-3 to 1e3, and for
images of any size (lecture row M11).
"""

import math

import keras

from keras_vae import checks
from keras_vae.callbacks.schedules import warn_about_monitors


class ControlVAE(keras.callbacks.Callback):
    """Hold the KL of a VAE at a set point, in nats, by a PI controller of beta.

    It starts from the beta of the model. The sum of errors is saved with the model. A resumed or
    second `fit` goes on from that sum, whatever beta is then. The log `beta` holds the value at the
    end of each epoch.

    It acts after each batch; with `steps_per_execution=k` after k batches, on their mean KL.

    Args:
        kl: float above 0. The set point, in nats.
        proportional: float. Gain of the error. Defaults to `1.0`.
        integral: float above 0. Gain of the sum of errors, for each update. Defaults to `0.03`.
        beta_min, beta_max: float. Limits of beta. Default to `1e-4` and `1e4`.

    Raises:
        ValueError: an argument is out of range; in `fit`, the model has no KL and beta.

    Example:

    >>> vae = keras_vae.zoo.dense_vae((8, 8, 1), latent_dim=2)
    >>> vae.compile(optimizer="adam")
    >>> history = vae.fit(np.zeros((64, 8, 8, 1)), callbacks=[ControlVAE(kl=3.0)], verbose=0)
    >>> sorted(history.history)
    ['beta', 'elbo', 'kl_loss', 'loss', 'reconstruction_loss']
    """

    weight = "beta"

    def __init__(self, kl, proportional=1.0, integral=0.03, beta_min=1e-4, beta_max=1e4):
        super().__init__()
        self.kl = checks.number(kl, "kl", above=True)
        self.proportional = checks.number(proportional, "proportional")
        self.integral = checks.number(integral, "integral", above=True)
        self.beta_min = checks.number(beta_min, "beta_min", above=True)
        self.beta_max = checks.number(beta_max, "beta_max", least=self.beta_min)
        self._others = ()
        self._current = None

    def before_fit(self, callbacks):
        """`fit` calls this before it starts, with all its callbacks."""
        self._others = callbacks

    def on_epoch_begin(self, epoch, logs=None):
        # Not in `on_train_begin`, in which `BackupAndRestore` may restore beta and the sum.
        if getattr(self.model, "control_state", None) is None:
            raise ValueError(
                f"ControlVAE moves the beta of a VAE, and {type(self.model).__name__} has none."
            )
        warn_about_monitors(self, self._others)
        self._others = ()
        self._seen = 0.0, 0.0  # sum of the KL and of the weights of the rows, since then
        self._updates = float(self.model.optimizer.iterations)

    def on_train_batch_end(self, batch, logs=None):
        tracker, updates = self.model.trackers["kl_loss"], float(self.model.optimizer.iterations)
        seen = float(tracker.total), float(tracker.count)
        kl, rows = (now - before for now, before in zip(seen, self._seen, strict=True))
        steps, self._seen, self._updates = updates - self._updates, seen, updates
        if rows > 0 and math.isfinite(kl):
            self.model.beta = self._current = self._controlled(kl / rows, steps)

    def _controlled(self, kl, steps):
        """The new beta, from the mean KL of the last steps; the sum of errors moves on."""
        low, high = math.log(self.beta_min), math.log(self.beta_max)
        total = float(self.model.control_state)  # of the errors, times the gain
        if math.isnan(total):
            total = math.log(max(float(self.model.beta), self.beta_min))
        total = min(max(total, low), high)  # the limits may be other ones than in an earlier fit
        error = math.log(max(kl, 1e-12) / self.kl)
        error = min(max(error, -2.0), 2.0)
        log_beta = total + self.integral * steps * error + self.proportional * error
        if low <= log_beta <= high:
            total += self.integral * steps * error
        log_beta = min(max(log_beta, low), high)
        self.model.control_state.assign(total)
        return math.exp(log_beta)

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["beta"] = float(self.model.beta)

    def after_fit(self):
        """`fit` calls this last, since `restore_best_weights` restores an old beta too."""
        if self._current is not None:
            self.model.beta = self._current
