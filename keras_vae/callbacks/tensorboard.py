"""TensorBoard for every model of this library, without a line of logging code (rows T1 and T2).

vae.fit(x, validation_data=x_test, callbacks=[callbacks.TensorBoard("logs/first")])
tensorboard --logdir logs
"""

import contextlib
import os
import time

import keras
import numpy as np
import tensorflow as tf

from keras_vae.callbacks import views
from keras_vae.callbacks.graphs import tidy_graph
from keras_vae.callbacks.guard import of_kind, reason_of

KINDS = ("graph", "scalars", "images", "histograms", "projector", "hparams", "text")
# TensorBoard first draws the first run by name that has a graph.
_RUNS = {"training": "train", "inference": "views/inference", "generation": "views/generation"}


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, which also shows the graph and what a VAE has learned.

    By default it writes the graph once (runs `train`, `views/inference`, `views/generation`);
    scalars every epoch; images and histograms after the first epoch, at half-time and at the end;
    the projector at the end. What is made from data comes from the examples that `fit` keeps: at
    most 1,000 rows, of the validation data where there are any.

    Keras's arguments keep their meaning, but for these: steps of epochs count what the model has
    seen, steps of batches the optimizer's updates, so that a resumed or second `fit` goes on; no
    `update_freq` loses an epoch; weights of encoder and decoder never share a tag;
    `histogram_freq` and `embeddings_freq` add to what is written by default, and the projector
    shows latents; `write_steps_per_second` does so by epoch.

    Args:
        log_dir: str or path. One folder for each training, side by side in that of TensorBoard.
        embeddings_metadata: str. A file for the projector in the place of `labels`; it is copied.
        labels: array. What the projector writes at the examples: one label for each row of the
            validation data, or of the training data where there are none; of a dataset for each
            row of its first batch. Defaults to `None`: y, where it is one integer for each row.
        skip: str or tuple of str. Kinds to leave out, among `"graph"`, `"scalars"`, `"images"`,
            `"histograms"`, `"projector"`, `"hparams"` and `"text"`. Defaults to `()`.
        Others: as Keras's.

    Raises:
        ValueError: a kind is unknown, or the labels are not as many as the rows.
        TypeError: the model is none of this library.
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
            raise ValueError("embeddings_metadata is a dict; expected the name of one file.")
        if update_freq not in ("epoch", "batch") and not isinstance(update_freq, int):
            raise ValueError(f"update_freq is {update_freq!r}; expected 'epoch', 'batch' or int.")
        self.kinds = set(KINDS) - skip - (set() if write_graph else {"graph"})
        self.histogram_freq = histogram_freq
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.embeddings_metadata = embeddings_metadata
        self.labels = labels
        # Not under Keras's names, by which its own code would write too.
        self._batch_freq = {"epoch": 0, "batch": 1}.get(update_freq, update_freq)
        self._projector_freq = embeddings_freq
        self._on = set()

    def set_model(self, model):
        if not hasattr(model, "objective"):
            given = type(model).__name__
            raise TypeError(f"{given} is no model of keras_vae; take keras.callbacks.TensorBoard.")
        super().set_model(model)
        self._on = self.kinds | ({"profile"} if self._should_trace else set())

    def on_train_begin(self, logs=None):
        self._examples, self._last_step, self._shown_step = self.model.fit_examples, None, None
        rows = None if self._examples is None else self._examples.rows
        if rows and self.labels is not None and len(self.labels) != rows:
            raise ValueError(f"There are {len(self.labels)} labels for {rows} rows of examples.")
        self._next_batch = self._iterations() + self._batch_freq
        self._profile(super().on_train_begin)
        missing = self._graphs() or []
        if self._examples is None:
            none = "neither generators nor datasets of unknown size give any"
            missing.append(f"what needs examples, as reconstructions and projector: {none}")
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
        """Nothing; Keras's makes an empty file."""

    def on_test_end(self, logs=None):
        if self.model.optimizer is not None:
            values = {f"evaluation_{name}_vs_iterations": value for name, value in logs.items()}
            self._scalars("validation", self._iterations(), values)

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), self._iterations()

    def on_epoch_end(self, epoch, logs=None):
        step, epochs = self.model.epochs_seen - 1, self.params["epochs"]
        if self._last_step is None:  # the first epoch: again at half-time, and in `after_fit`
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
        """Nothing yet: in `after_fit`, a training that was stopped has its best weights back."""

    def after_fit(self):
        self._found = None
        if self._last_step is not None:
            if self._last_step != self._shown_step:
                self._histograms(self._last_step)
                self._images(self._last_step)
            self._projector()
        self._examples = self._found = None
        with contextlib.suppress(OSError, tf.errors.OpError):  # of which has been told
            super().on_train_end()

    def _iterations(self):
        return int(views.number(self.model.optimizer.iterations))

    def _run(self, name, step=0):
        """The writer of a run, as a context; Keras's own where it has one: one file for a run."""
        key = "val" if name == "validation" else name
        if key not in self._writers:
            self._writers[key] = tf.summary.create_file_writer(os.path.join(self.log_dir, name))
        return self._writers[key].as_default(step)

    def _latents(self):
        """What `views.latents` gives of the examples, once for each state of the model."""
        if self._found is None and self._examples is not None:
            self._found = views.latents(self.model, self._examples)
        return self._found

    @of_kind("profile")
    def _profile(self, hook, *args):
        hook(*args)

    @of_kind("graph")
    def _graphs(self):
        """Write each view of the model; returns those that it has not, with the reason."""
        missing = []
        x, y, *_ = self._examples or (None, None)
        for view, run in _RUNS.items():
            try:
                graph = tidy_graph(self.model, view, x, y)
            except Exception as error:  # an Autoencoder generates nothing
                missing.append(f"the graph of {view}: {reason_of(error)}")
            else:
                with self._run(run):
                    tf.summary.graph(graph)
        return missing

    @of_kind("hparams")
    def _hparams(self):
        with self._run(""):
            views.write_hparams(self.model, self.params, trial=self.log_dir)

    @of_kind("text")
    def _texts(self, missing):
        with self._run("train"):
            for tag, text in views.texts(self.model, missing).items():
                tf.summary.text(tag, text)

    @of_kind("scalars")
    def _scalars(self, run, step, values):
        with self._run(run, step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    @of_kind("scalars")
    def _epoch(self, step, logs):
        logs |= views.state(self.model)
        if self.write_steps_per_second:
            started, before = self._start
            seconds = time.perf_counter() - started
            logs["steps_per_second"] = (self._iterations() - before) / seconds
        runs = {"train": {}, "validation": {}}
        for name, value in logs.items():
            run = "validation" if name.startswith("val_") else "train"
            runs[run][f"epoch_{name.removeprefix('val_')}"] = value
        if self._latents() is not None:
            runs[self._examples.of] |= views.scalars(self._latents())
        for run in filter(runs.get, runs):
            self._scalars(run, step, runs[run])

    @of_kind("images")
    def _images(self, step):
        with self._run("train", step):
            for tag, picture in views.pictures(self.model, self._examples).items():
                tf.summary.image(tag, picture[None])

    @of_kind("histograms")
    def _histograms(self, step):
        with self._run("train", step):
            for tag, values in views.histograms(self.model, self._latents() or {}).items():
                if np.all(np.isfinite(values)):
                    tf.summary.histogram(tag, values)
                if self.write_images and "images" in self._on and tag.startswith("weights/"):
                    self._log_weight_as_image(values, f"{tag}/image", step)

    @of_kind("projector")
    def _projector(self):
        if self._latents() is not None:
            folder = os.path.join(self.log_dir, self._examples.of)
            more = self.labels, self.embeddings_metadata
            with self._run(self._examples.of):  # the projector looks into the folders of runs alone
                views.write_projector(folder, self._latents(), self._examples, *more)
