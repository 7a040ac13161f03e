"""TensorBoard for every model of this library, without any logging code (rows T1 and T2).

vae.fit(x, validation_data=x_test, callbacks=[callbacks.TensorBoard("logs/first")])
$ tensorboard --logdir logs
"""

import contextlib
import os
import time

import keras
import numpy as np
import tensorflow as tf

from keras_vae import plotting
from keras_vae.callbacks.tensorboard import views
from keras_vae.callbacks.tensorboard.graphs import tidy_graph
from keras_vae.callbacks.tensorboard.guard import never_fails, reason_of

KINDS = ("graph", "scalars", "images", "histograms", "projector", "hparams", "text")
# TensorBoard opens with the first run, by name, that has a graph.
_RUNS = {"training": "train", "inference": "views/inference", "generation": "views/generation"}


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, extended by the graph and by what a VAE has learned.

    By default it writes the graph once, in the runs `train`, `views/inference` and
    `views/generation`; scalars after every epoch; images and histograms after the first epoch, at
    half-time and at the end; the projector at the end. Whatever needs data uses the examples that
    `fit` keeps: at most 1,000 rows of the validation data, or else of the training data.

    Keras's arguments keep their meaning, with these exceptions. The step of an epoch counts the
    epochs that the model has seen, the step of a batch the optimizer's updates, so that a second or
    resumed `fit` continues the curves. No `update_freq` drops the scalars of an epoch (KERAS3 T17).
    `histogram_freq` and `embeddings_freq` add to what is written by default, and the projector
    shows latents. `write_steps_per_second` measures whole epochs.

    Args:
        log_dir: str or path. One folder for each training; TensorBoard is started on their parent.
        embeddings_metadata: str. A file that the projector uses in place of `labels`; it is copied.
        labels: array. What the projector shows as labels: one for each row of the validation data,
            or else of the training data; of a dataset, one for each row of its first batch.
            Defaults to `None`: y, if it has one integer for each row.
        skip: str or tuple of str. Kinds to leave out, among `"graph"`, `"scalars"`, `"images"`,
            `"histograms"`, `"projector"`, `"hparams"` and `"text"`. Defaults to `()`.
        Others: as in Keras.

    Raises:
        ValueError: a kind is unknown, or the number of labels differs from the number of rows.
        TypeError: the model is not from this library.
    """

    def __init__(
        self,
        log_dir="logs",
        histogram_freq=0,
        write_graph=True,
        write_images=False,
        write_steps_per_second=False,
        update_freq="epoch",
        profile_batch=0,
        embeddings_freq=0,
        embeddings_metadata=None,
        *,
        labels=None,
        skip=(),
    ):
        super().__init__(log_dir, write_graph=False, profile_batch=profile_batch)
        skip = {skip} if isinstance(skip, str) else set(skip)
        if unknown := skip - set(KINDS):
            raise ValueError(f"skip has {sorted(unknown)}; the kinds are {KINDS}.")
        if isinstance(embeddings_metadata, dict):
            raise ValueError("embeddings_metadata is a dict; expected the name of a file.")
        if update_freq not in ("epoch", "batch") and not isinstance(update_freq, int):
            raise ValueError(f"update_freq is {update_freq!r}; expected 'epoch', 'batch' or int.")
        self.kinds = set(KINDS) - skip - (set() if write_graph else {"graph"})
        self.histogram_freq = histogram_freq
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.embeddings_metadata = embeddings_metadata
        self.labels = labels
        # Under Keras's names, its own code would write too.
        self._batch_freq = {"epoch": 0, "batch": 1}.get(update_freq, update_freq)
        self._projector_freq = embeddings_freq

    def set_model(self, model):
        if not hasattr(model, "objective"):
            given = type(model).__name__
            raise TypeError(f"{given} is not from keras_vae; use keras.callbacks.TensorBoard.")
        super().set_model(model)
        self._on = self.kinds | ({"profile"} if self._should_trace else set())

    def on_train_begin(self, logs=None):
        self._examples, self._last_step, self._shown_step = self.model.fit_examples, None, None
        rows = None if self._examples is None else self._examples.rows
        if rows and self.labels is not None and len(self.labels) != rows:
            raise ValueError(f"There are {len(self.labels)} labels for {rows} rows of data.")
        self._next_batch = self._iterations() + self._batch_freq
        self._profile(super().on_train_begin)
        missing = self._graphs() or []
        if self._examples is None:
            why = "generators and datasets of unknown size provide none"
            missing.append(f"everything that needs examples, such as the projector: {why}")
        if "images" in self.kinds and not plotting.is_drawn(shape := self.model.signature.x_shape):
            missing.append(f"images: x of shape {shape} is neither an image nor a signal")
        self._hparams()
        self._texts(missing)

    def on_train_batch_begin(self, batch, logs=None):
        if self._should_trace:
            self._profile(super().on_train_batch_begin, batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        if self._should_trace:
            self._profile(super().on_train_batch_end, batch, logs)
        if self._batch_freq and self._iterations() >= self._next_batch:
            self._next_batch = self._iterations() + self._batch_freq
            values = {f"batch_{name}": value for name, value in logs.items()}
            self._scalars("train", self._iterations(), values)

    def on_test_begin(self, logs=None):
        """Do nothing; Keras's method would create an empty file."""

    def on_test_end(self, logs=None):
        if self.model.optimizer is not None:
            values = {f"evaluation_{name}_vs_iterations": value for name, value in logs.items()}
            self._scalars("validation", self._iterations(), values)

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), self._iterations()

    def on_epoch_end(self, epoch, logs=None):
        step, epochs = self.model.epochs_seen - 1, self.params["epochs"]
        if self._last_step is None:  # now and at half-time; `after_fit` does the end
            self._occasions = {epoch, (epoch + epochs) // 2 - 1} - {epochs - 1}
        self._last_step, self._found = step, None
        self._epoch(step, dict(logs or {}))
        often = self.histogram_freq and epoch % self.histogram_freq == 0 and epoch < epochs - 1
        if epoch in self._occasions or often:
            self._histograms(step)
        if epoch in self._occasions:
            self._shown_step = step
            self._images(step)
        if self._projector_freq and epoch % self._projector_freq == 0:
            self._projector()

    def on_train_end(self, logs=None):
        """Do nothing yet: `EarlyStopping` may restore the best weights after this."""

    def after_fit(self):
        """Write what the trained model looks like; `fit` calls this at its very end."""
        self._found = None
        if self._last_step is not None:
            if self._last_step != self._shown_step:
                self._histograms(self._last_step)
                self._images(self._last_step)
            self._projector()
        self._examples = self._found = None
        with contextlib.suppress(OSError, tf.errors.OpError):  # the user has been warned
            super().on_train_end()

    def _iterations(self):
        return int(views.number(self.model.optimizer.iterations))

    def _run(self, name, step=0):
        """The writer of a run, as a context. Keras's own is reused: each run has one file."""
        key = "val" if name == "validation" else name
        if key not in self._writers:
            self._writers[key] = tf.summary.create_file_writer(os.path.join(self.log_dir, name))
        return self._writers[key].as_default(step)

    def _latents(self):
        """`views.latents` of the examples, computed once for each state; None without examples."""
        if self._found is None and self._examples is not None:
            self._found = views.latents(self.model, self._examples)
        return self._found

    @never_fails("profile")
    def _profile(self, hook, *args):
        hook(*args)

    @never_fails("graph")
    def _graphs(self):
        """Write each view of the model; return those that are missing, with the reason."""
        missing = []
        x, y, *_ = self._examples or (None, None)
        for view, run in _RUNS.items():
            try:
                graph = tidy_graph(self.model, view, x, y)
            except Exception as error:  # an Autoencoder has no generation, for example
                missing.append(f"the graph of {view}: {reason_of(error)}")
            else:
                with self._run(run):
                    tf.summary.graph(graph)
        return missing

    @never_fails("hparams")
    def _hparams(self):
        with self._run(""):
            views.write_hparams(self.model, self.params, trial=self.log_dir)

    @never_fails("text")
    def _texts(self, missing):
        with self._run("train"):
            for tag, text in views.texts(self.model, missing).items():
                tf.summary.text(tag, text)

    @never_fails("scalars")
    def _scalars(self, run, step, values):
        with self._run(run, step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    @never_fails("scalars")
    def _epoch(self, step, logs):
        logs |= views.state(self.model)
        if self.write_steps_per_second:
            started, before = self._start
            steps, seconds = self._iterations() - before, time.perf_counter() - started
            logs["steps_per_second"] = steps / seconds
        runs = {"train": {}, "validation": {}}
        for name, value in logs.items():
            run = "validation" if name.startswith("val_") else "train"
            runs[run][f"epoch_{name.removeprefix('val_')}"] = value
        if self._latents() is not None:
            runs[self._examples.of] |= views.scalars(self._latents())
        for run in filter(runs.get, runs):
            self._scalars(run, step, runs[run])

    @never_fails("images")
    def _images(self, step):
        with self._run("train", step):
            for tag, picture in views.pictures(self.model, self._examples, self._latents()).items():
                tf.summary.image(tag, picture[None])

    @never_fails("histograms")
    def _histograms(self, step):
        with self._run("train", step):
            for tag, values in views.histograms(self.model, self._latents() or {}).items():
                if np.all(np.isfinite(values)):
                    tf.summary.histogram(tag, values)
                if self.write_images and "images" in self._on and tag.startswith("weights/"):
                    self._log_weight_as_image(values, f"{tag}/image", step)

    @never_fails("projector")
    def _projector(self):
        if self._latents() is not None:
            folder = os.path.join(self.log_dir, self._examples.of)
            more = self.labels, self.embeddings_metadata
            with self._run(self._examples.of):  # the projector reads only the folders of runs
                views.write_projector(folder, self._latents(), self._examples, *more)
