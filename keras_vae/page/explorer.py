"""What the page shows of a model, without the page: latents, pictures, neighbours, paths.

A model p(x|c) reads a drawing by Bayes' rule, for equal p(c):

    p(c|x) = p(x|c) / (sum of p(x|c') over all classes c')

with the importance-weighted estimate of log p(x|c) (Burda 2016). A path between two images is the
straight line between their latents (lecture row A9: the Introduction's page, its figure 4).
"""

import base64
import io
import math

import numpy as np
from PIL import Image, ImageOps

from keras_vae.plotting import grids, pictures

DRAWS = 2048  # of the prior, for the ranges of the sliders
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Explorer:
    """A trained model, and the examples that it is shown beside.

    Args:
        model: a model of this library. It may read a label as its condition.
        x: array `(n, ...)` of examples, for neighbours and paths. Defaults to `None`, none.
        y: array of n labels, if the model reads one. Defaults to `None`.
        classes: sequence of str. A name for each label. Defaults to `None`: digits and capital
            letters for 36 labels, numbers otherwise.

    Attributes:
        order: ints. The latents, those that change the picture most first.
        low, high: arrays `(latent_dim,)`: the 1 % and 99 % quantiles of the prior.
        start: array `(latent_dim,)`: the medians of the prior.

    Raises:
        ValueError: the page has no control for the model's condition or latents; a conditional
            model has x without y, or a model without prior has no x; `classes` has a wrong
            length.
    """

    def __init__(self, model, x=None, y=None, classes=None):
        shape, labels = model.signature.latent_shape, model.signature.condition
        if shape is None or len(shape) != 1 or None in model.signature.x_shape:
            raise ValueError(
                f"The latents of this model have shape {shape} and x has shape "
                f"{model.signature.x_shape}; the page shows models with a vector of latents and "
                "examples of one size."
            )
        if labels is not None and not isinstance(labels, int):
            raise ValueError(
                f"This model reads a condition of shape {labels}; the page has a control for "
                "labels only."
            )
        if x is None and not model.has_prior:
            raise ValueError("This model has no prior to draw from; give x, examples to encode.")
        if x is not None and labels is not None and y is None:
            raise ValueError("This model reads labels; give y, the label of each example of x.")
        self.model, self.x, self.labels = model, x, labels
        self.y = None if labels is None or x is None else np.asarray(y)
        self.classes = None if labels is None else list(classes or _names(labels))
        if labels is not None and len(self.classes) != labels:
            raise ValueError(f"classes has {len(self.classes)} names; this model reads {labels}.")
        self.x_shape = tuple(model.signature.x_shape)
        self.z = None if x is None else model.encode(x, condition=self.y)
        self.low, self.start, self.high = self._quantiles()
        self.order = self._by_effect()
        self._usual = None  # a bound that all but 1 % of x reach
        known = self.decode(np.stack([self.start])) if x is None else x[:256]
        self.cmap = pictures.colour_map(known) if pictures.is_image(self.x_shape) else None

    @property
    def writes(self):
        """Whether each class is one character, so that the model can write a text."""
        return self.classes is not None and all(len(name) == 1 for name in self.classes)

    # Numbers -------------------------------------------------------------------------------

    def draw(self, n, seed, label=None):
        """n latents `(n, latent_dim)` from p(z), or p(z|c) of one label or of all in turn.

        An autoencoder has no prior; the latents of x stand in.
        """
        if self.model.has_prior:
            if self.labels is None:
                labels = None
            elif label is None:
                labels = np.arange(n) % self.labels
            else:
                labels = np.full(n, label)
            size = math.prod(self.model.signature.latent_shape)
            return np.asarray(self.model.prior(labels).sample(seed=seed, shape=(n, size)))
        return self.z[np.random.default_rng(seed).integers(len(self.z), size=n)]

    def decode(self, z, labels=0):
        """Examples `(n, ...)` from latents `(n, latent_dim)`, and a label for all or n of them."""
        condition = None if self.labels is None else np.broadcast_to(labels, len(z))
        return self.model.decode(z, condition=condition)

    def read(self, example):
        """p(c|x) of one example by Bayes' rule, for equal p(c): array `(labels,)`, or None.

        None of a model without labels or densities.
        """
        if self.labels is None or not self.model.has_densities:
            return None
        every = np.arange(self.labels)
        copies = np.repeat(example[None], len(every), axis=0)
        log_p = self.model.log_likelihood(copies, num_samples=50, seed=0, condition=every)
        likely = np.exp(log_p - log_p.max())
        return likely / likely.sum()

    def is_unusual(self, example, label=None):
        """Whether the bound of an example is below that of all but 1 % of x; False without x."""
        if self.x is None or not self.model.has_densities:
            return False
        if self._usual is None:
            labels = None if self.y is None else self.y[:512]
            bounds = self.model.elbo(self.x[:512], seed=0, condition=labels)
            self._usual = np.quantile(bounds, 0.01)
        condition = None if self.labels is None else np.array([label])
        return bool(self.model.elbo(example[None], seed=0, condition=condition)[0] < self._usual)

    def encode(self, example, label=None):
        """The latents `(latent_dim,)` of one example."""
        condition = None if self.labels is None else np.array([label])
        return self.model.encode(example[None], condition=condition)[0]

    def neighbours(self, z, n=10):
        """Places in x of the n examples whose latents are nearest."""
        return np.argsort(((self.z - z) ** 2).sum(axis=1))[:n]

    def text(self, text, z):
        """A text in the hand z: `(n, ...)` examples, blanks where no character is known."""
        place = {name: label for label, name in enumerate(self.classes)}
        labels = np.array([place.get(c, place.get(c.upper(), -1)) for c in text], int)
        written = np.zeros((len(labels), *self.x_shape), "float32")
        if (labels >= 0).any():
            known = labels[labels >= 0]
            written[labels >= 0] = self.decode(np.tile(z, (len(known), 1)), known)
        return written

    def path(self, first, second, labels, steps=9):
        """The straight path between the latents of two examples, decoded for each of `labels`.

        Returns:
            array `(rows * steps, ...)`: a row for each different label, one row without labels.
        """
        rows = [None] if self.labels is None else sorted(set(labels))
        ends = [[self.encode(example, label) for example in (first, second)] for label in rows]
        share = np.linspace(0, 1, steps, dtype="float32")[:, None]
        paths = [
            self.decode(a + share * (b - a), label or 0)
            for (a, b), label in zip(ends, rows, strict=True)
        ]
        return np.concatenate(paths)

    # Pictures ------------------------------------------------------------------------------

    def example(self, picture):
        """One example of the model's shape from a picture.

        A drawing is prepared as EMNIST was: ink is bright, it stands in the middle, and its longer
        side has the size that it has in the data (Cohen 2017). A photograph is cut to its middle.

        Args:
            picture: uint8 array `(height, width[, channels])`.

        Returns:
            float32 array `x_shape` in [0, 1], or `None` if a drawing has no ink.
        """
        height, width, channels = self.x_shape
        image = Image.fromarray(picture)
        if image.mode == "RGBA":  # what is transparent is paper
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB" if channels == 3 else "L")
        if self.cmap == "gray" or channels == 3:
            return _fitted(image, (height, width)).reshape(self.x_shape)
        ink = np.asarray(image, "float32") / 255
        border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
        if np.median(border) > 0.5:
            ink = 1 - ink
        rows, columns = (np.flatnonzero((ink > 0.2).any(axis)) for axis in (1, 0))
        if not len(rows):
            return None
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scale = self._ink_size() / max(ink.shape)
        size = [max(1, round(side * scale)) for side in reversed(ink.shape)]
        ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
        return _centred(ink, (height, width))[..., None]

    def picture(self, examples, columns=None, size=96):
        """Examples in a grid as HTML: one PNG within the text, so that no file is written.

        Args:
            examples: array `(n, ...)`.
            columns: int. Examples in a row. Defaults to all.
            size: int. Width of one on the page, in pixels. Defaults to `96`.
        """
        columns = columns or len(examples)
        stream = io.BytesIO()
        if self.cmap is None:
            signals = examples.reshape(len(examples), self.x_shape[0], -1)
            grids.signal_grid(signals, columns).savefig(stream, format="png")
        else:
            Image.fromarray(self.pixels(examples, columns)).save(stream, "png")
        return (
            f'<img alt="{len(examples)} examples of the model" style="width:{columns * size}px;'
            'max-width:100%;image-rendering:pixelated" src="data:image/png;base64,'
            f'{base64.b64encode(stream.getvalue()).decode()}">'
        )

    def pixels(self, images, columns=1, scale=1):
        """Images in a grid as a uint8 array; drawings as ink on paper."""
        tiles = pictures.tiled(np.clip(images, 0, 1), columns, 0, self.cmap)
        tiles = 1 - tiles if self.cmap == "gray_r" else tiles
        tiles = tiles[..., 0] if tiles.shape[-1] == 1 else tiles
        return (255 * tiles + 0.5).astype("uint8").repeat(scale, 0).repeat(scale, 1)

    # Measured once -------------------------------------------------------------------------

    def _quantiles(self):
        z = self.draw(DRAWS, seed=0)
        low, middle, high = np.quantile(z, [0.01, 0.5, 0.99], axis=0).astype("float32")
        return low, middle, np.maximum(high, low + np.float32(0.1))  # a slider needs some width

    def _by_effect(self):
        """Latents, that which changes the picture most first: from its low to its high end."""
        z = np.tile(self.start, (2, len(self.start), 1))
        every = np.arange(len(self.start))
        z[0, every, every], z[1, every, every] = self.low, self.high
        effect = 0
        for label in range(0, self.labels or 1, max(1, (self.labels or 1) // 6)):
            low, high = (self.decode(ends, label).reshape(len(every), -1) for ends in z)
            effect = effect + np.square(high - low).sum(axis=1)
        return [int(latent) for latent in np.argsort(-effect)]

    def _ink_size(self):
        """The usual size of the longer side of the ink, in pixels."""
        seen = self.decode(self.draw(36, seed=0)) if self.x is None else self.x[:256]
        rows, columns = ((seen[..., 0] > 0.2).any(axis).sum(1) for axis in (2, 1))
        return float(np.median(np.maximum(rows, columns)))


def _names(labels):
    """Names of so many classes: digits, digits and letters, or numbers."""
    return CHARACTERS[:labels] if labels in (10, 36) else [str(label) for label in range(labels)]


def _fitted(image, shape):
    """The middle of a picture, of this shape, in [0, 1]."""
    fitted = ImageOps.fit(image, shape[::-1], Image.Resampling.LANCZOS)
    return np.asarray(fitted, "float32") / 255


def _centred(ink, shape):
    """Ink in the middle of an empty picture of this shape."""
    page = np.zeros(shape, "float32")
    top, left = (max(0, (size - side) // 2) for size, side in zip(shape, ink.shape, strict=True))
    ink = ink[: shape[0], : shape[1]]
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page
