"""TensorBoard for every model of this library, without a line of logging code (rows T1 and T2).

vae.fit(x, validation_data=x_test, callbacks=[callbacks.TensorBoard("logs/first")])
tensorboard --logdir logs
"""

import functools
import os
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_vae.callbacks import views
from keras_vae.callbacks.graphs import tidy_graph

KINDS = ("graph", "scalars", "images", "histograms", "projector", "hparams", "text")
# TensorBoard first draws the first run by name that has a graph.
_RUNS = {"training": "train", "inference": "views/inference", "generation": "views/generation"}


def _never_stops_training(hook):
    """A folder or a disk that refuses ends the logging, with one sentence, and nothing else."""

    @functools.wraps(hook)
    def guarded(self, *args, **kwargs):
        try:
            if not self._refused:
                hook(self, *args, **kwargs)
        except (OSError, tf.errors.OpError) as error:
            self._refused = True
            reason = str(error).splitlines()[0].split("; ")[-1]  # TensorFlow's comes last
            warnings.warn(
                f"TensorBoard cannot write to {self.log_dir}: {reason}. Training goes on without.",
                stacklevel=2,
            )

    return guarded


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, which also shows the graph and what a VAE has learned.

    By default it writes the graph once (runs `train`, `views/inference`, `views/generation`);
    scalars every epoch; images and histograms after the first epoch, at half-time and at the end;
    the projector at the end. What is made from data comes from the examples that `fit` keeps: at
    most 1,000 rows, of the validation data where there are any.

    Keras's arguments keep their meaning, but: steps count the epochs that the model has seen, so
    that a resumed or second `fit` goes on; no `update_freq` loses a scalar; weights of encoder and
    decoder never share a tag; `histogram_freq` and `embeddings_freq` add to what is written by
    default, and the projector shows latents.

    Args:
        log_dir: str or path. One folder for each training, side by side in that of TensorBoard.
        embeddings_metadata: str. A file for the projector in the place of `labels`.
        labels: array. What the projector writes at the examples, in their order. Defaults to
            `None`: y, where it holds one integer for each row.
        skip: str or tuple of str. Kinds to leave out, among `"graph"`, `"scalars"`, `"images"`,
            `"histograms"`, `"projector"`, `"hparams"` and `"text"`. Defaults to `()`.
        histogram_freq, write_graph, write_images, write_steps_per_second, update_freq,
            profile_batch, embeddings_freq: Keras's.

    Raises:
        ValueError: a kind is unknown, or the labels are not as many as the examples.
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
        self.kinds = set(KINDS) - skip - (set() if write_graph else {"graph"})
        self.histogram_freq = histogram_freq
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.batch_freq = {"epoch": 0, "batch": 1}.get(update_freq, update_freq)
        self.projector_freq = embeddings_freq
        self.metadata = embeddings_metadata
        self.labels = labels
        self._refused = False  # by the disk

    def set_model(self, model):
        if not hasattr(model, "objective"):
            name = type(model).__name__
            raise TypeError(f"{name} is no model of keras_vae; take keras.callbacks.TensorBoard.")
        super().set_model(model)

    def on_train_begin(self, logs=None):
        self._examples, self._last_step, self._refused = self.model.examples, None, False
        if self.labels is not None and self._examples is not None:
            rows = len(self._examples.x)
            if len(self.labels) != rows and not len(self.labels) > rows == 1000:  # the most kept
                raise ValueError(f"There are {len(self.labels)} labels for {rows} examples.")
        self._begin()

    @_never_stops_training
    def _begin(self):
        super().on_train_begin()
        self._next_batch = int(self.model.optimizer.iterations) + self.batch_freq
        missing = self._graphs() if "graph" in self.kinds else []
        if self._examples is None:
            missing.append("what needs examples: a generator gives none; pass validation_data")
        if "hparams" in self.kinds:
            with self._run(""):
                trial = os.path.basename(os.path.abspath(self.log_dir))
                views.write_hparams(self.model, self.params, trial)
        if "text" in self.kinds:
            with self._run("train"):
                for tag, text in views.texts(self.model, missing).items():
                    tf.summary.text(tag, text)

    @_never_stops_training
    def on_train_batch_begin(self, batch, logs=None):
        if self._should_trace:  # profile_batch
            super().on_train_batch_begin(batch, logs)

    @_never_stops_training
    def on_train_batch_end(self, batch, logs=None):
        if self._should_trace:
            super().on_train_batch_end(batch, logs)
        if self.batch_freq and "scalars" in self.kinds:
            step = int(self.model.optimizer.iterations)
            if step >= self._next_batch:
                self._next_batch = step + self.batch_freq
                self._write_scalars("train", step, {f"batch_{k}": v for k, v in logs.items()})

    def on_test_begin(self, logs=None):
        """Nothing; Keras's makes an empty file."""

    @_never_stops_training
    def on_test_end(self, logs=None):
        if "scalars" in self.kinds:
            super().on_test_end(logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_start = time.perf_counter(), int(self.model.optimizer.iterations)

    @_never_stops_training
    def on_epoch_end(self, epoch, logs=None):
        step, epochs = self.model.epochs_seen - 1, self.params["epochs"]
        if self._last_step is None:  # the first epoch: again at half-time, and in `after_fit`
            self._occasions = {epoch, (epoch + epochs) // 2 - 1} - {epochs - 1}
        self._last_step = step
        if "scalars" in self.kinds:
            self._scalars(step, logs or {})
        if epoch in self._occasions:
            self._look(step)
        elif self.histogram_freq and epoch % self.histogram_freq == 0 and epoch < epochs - 1:
            self._histograms(step)
        if self.projector_freq and epoch % self.projector_freq == 0:
            self._projector()
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        """Nothing yet: in `after_fit`, a training that was stopped has its best weights back."""

    @_never_stops_training
    def after_fit(self):
        """Called by `fit` at its very end."""
        if self._last_step is not None:
            self._look(self._last_step)
            self._projector()
        super().on_train_end()

    def _run(self, name, step=0):
        """The writer of a run, as a context; Keras's own where it has one: one file for a run."""
        key = "val" if name == "validation" else name
        if key not in self._writers:
            self._writers[key] = tf.summary.create_file_writer(os.path.join(self.log_dir, name))
        return self._writers[key].as_default(step)

    def _graphs(self):
        """Write each view of the model; returns those that it has not, with the reason."""
        missing = []
        x, y, _ = self._examples or (None, None, None)
        for view, run in _RUNS.items():
            try:
                graph = tidy_graph(self.model, view, x, y)
            except (TypeError, ValueError) as error:  # an Autoencoder generates nothing
                missing.append(f"the graph of {view}: {str(error).splitlines()[0]}")
            else:
                with self._run(run):
                    tf.summary.graph(graph)
        return missing

    def _write_scalars(self, run, step, values):
        with self._run(run, step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def _scalars(self, step, logs):
        logs = logs | views.state(self.model)
        if self.write_steps_per_second:
            started, steps = self._epoch_start
            done = int(self.model.optimizer.iterations) - steps
            logs["steps_per_second"] = done / (time.perf_counter() - started)
        for name, value in logs.items():
            run = "validation" if name.startswith("val_") else "train"
            self._write_scalars(run, step, {f"epoch_{name.removeprefix('val_')}": value})
        if self._examples is not None:
            found = views.scalars(self.model, self._examples)
            self._write_scalars(self._examples.of, step, found)

    def _look(self, step):
        if "histograms" in self.kinds:
            self._histograms(step)
        if "images" in self.kinds:
            with self._run("train", step):
                for tag, picture in views.pictures(self.model, self._examples).items():
                    tf.summary.image(tag, picture[None])

    def _histograms(self, step):
        with self._run("train", step):
            for tag, values in views.histograms(self.model, self._examples).items():
                if np.all(np.isfinite(values)):
                    tf.summary.histogram(tag, values)
                if self.write_images and tag.startswith("weights/"):
                    self._log_weight_as_image(values, f"{tag}/image", step)

    def _projector(self):
        shown = self._examples
        if "projector" in self.kinds and shown is not None:
            folder = os.path.join(self.log_dir, shown.of)
            with self._run(shown.of):  # the projector looks into the folders of runs alone
                views.write_projector(folder, self.model, shown, self.labels, self.metadata)
