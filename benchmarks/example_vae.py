"""A VAE in the style of Keras's example, as the baseline of the benchmarks."""

import keras
import tensorflow as tf
from keras import ops


class ExampleVAE(keras.Model):
    """A VAE with its own `train_step`, means over the batch, and three trackers."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.seed_generator = keras.random.SeedGenerator(0)
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_var = self.encoder(x)
            noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
            x_hat = ops.sigmoid(self.decoder(mean + ops.exp(0.5 * log_var) * noise))
            entropy = keras.losses.binary_crossentropy(x, x_hat)
            reconstruction_loss = ops.mean(ops.sum(entropy, axis=(1, 2)))
            kl = -0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var))
            kl_loss = ops.mean(ops.sum(kl, axis=1))
            loss = reconstruction_loss + kl_loss
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for tracker, value in zip(self.trackers, (loss, reconstruction_loss, kl_loss), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}
