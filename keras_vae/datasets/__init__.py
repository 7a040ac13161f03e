"""Data sets, ready to fit: `(x_train, y_train), (x_test, y_test)`, float32 in [0, 1].

`load_binarized_mnist` has no labels and gives three arrays. `load_digits` needs no network; the
others look into `$KERAS_HOME/datasets` first.
"""

from keras_vae.datasets.binarized_mnist import load_binarized_mnist
from keras_vae.datasets.digits import load_digits
from keras_vae.datasets.emnist import load_emnist
from keras_vae.datasets.mnist import load_fashion_mnist, load_mnist

__all__ = ["load_binarized_mnist", "load_digits", "load_emnist", "load_fashion_mnist", "load_mnist"]
