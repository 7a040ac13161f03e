"""What the tutorials share and a reader need not open: arguments, figures, progress.

    lesson = Lesson("01_image_generation", DATASETS)
    settings, show = lesson.settings, lesson.show

It stands beside the tutorials, so that the lessons hold nothing but their subject.
"""

import argparse
import json
import pathlib
import sys
import time

import keras
import matplotlib.pyplot as plt

from keras_vae import results

FOLDER = pathlib.Path(__file__).parent
_NOTEBOOK = "ipykernel" in sys.modules


class Lesson:
    """One run of a tutorial.

    `--dataset`, `--epochs`, `--output` and `--publish` are read from the command line; a notebook
    takes their defaults. `settings` are those of the data set, `epochs` is None unless given.

    Args:
        name: str. Of the tutorial, and of its folder of output.
        datasets: dict {name: dict of settings}. The first is the default.
        figures: dict {data set: {figure: name in `tutorials/figures`}}, for `--publish`.
        arguments: dict {flag: arguments of `add_argument`} of the tutorial's own.
    """

    def __init__(self, name, datasets, figures=None, arguments=None):
        parser = argparse.ArgumentParser(description=f"Tutorial {name}")
        parser.add_argument("--dataset", choices=datasets, default=next(iter(datasets)))
        parser.add_argument("--epochs", type=int, help="default: as many as the data set needs")
        parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output", name))
        parser.add_argument("--publish", action="store_true", help="update the published files")
        for flag, keywords in (arguments or {}).items():
            parser.add_argument(flag, **keywords)
        self.arguments = parser.parse_args([] if _NOTEBOOK else None)
        self.name, self.parser = name, parser
        self.dataset, self.epochs = self.arguments.dataset, self.arguments.epochs
        self.output, self.publish = self.arguments.output, self.arguments.publish
        self.settings = datasets[self.dataset]
        self._published = (figures or {}).get(self.dataset, {}) if self.publish else {}
        self._shown = 0
        keras.utils.set_random_seed(0)
        self.output.mkdir(parents=True, exist_ok=True)

    def show(self, figure, name):
        """Save a figure as a PNG, numbered in the order of the lesson; in a notebook, show it."""
        self._shown += 1
        file = f"{self._shown:02}_{name}.png"
        figure.savefig(self.output / file, dpi=120)
        if name in self._published:
            figure.savefig(FOLDER / "figures" / f"{self._published[name]}.png", dpi=60)
        if _NOTEBOOK:
            plt.show()
        plt.close(figure)
        print(f"figure: {file}", flush=True)

    def finish(self, found, **settings):
        """Write `metrics.json`, and with `--publish` the published record with its settings."""
        found = {name: float(value) for name, value in found.items()}
        text = json.dumps(found, indent=2, sort_keys=True)
        (self.output / "metrics.json").write_text(text + "\n")
        if self.publish:
            path = FOLDER / "results" / f"{self.name}_{self.dataset}.json"
            results.write(path, found, dataset=self.dataset, seed=0, **settings)
        print(f"figures and metrics.json are in {self.output}")


class Progress(keras.callbacks.Callback):
    """Prints the time left while a training takes long, and the loss at its end.

    Args:
        what: str. Name of the training in these lines.
        every: float. Seconds between two lines.
    """

    def __init__(self, what, every=15.0):
        super().__init__()
        self.what, self.every = what, every

    def on_train_begin(self, logs=None):
        self.started = self.printed = time.perf_counter()
        self.first = None

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        self.first = epoch if self.first is None else self.first  # a second fit begins later
        left = self.params["epochs"] - epoch - 1
        if now - self.printed > self.every and left:
            done = epoch + 1 - self.first
            seconds = (now - self.started) / done * left
            print(f"  {self.what}: epoch {epoch + 1}, about {seconds:.0f} s left", flush=True)
            self.printed = now

    def on_train_end(self, logs=None):
        seconds = time.perf_counter() - self.started
        loss = f", loss {logs['loss']:.2f}" if logs else ""
        print(f"trained: {self.what}, {seconds:.0f} s{loss}", flush=True)
