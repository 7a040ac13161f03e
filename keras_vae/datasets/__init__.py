"""Data sets, ready to fit: `(x_train, y_train), (x_test, y_test)`, float32 in [0, 1].

`load_binarized_mnist` returns three arrays without labels, and `load_sprites` images with the
factors that they are made from. `load_characters`, `load_digits` and `load_sprites` need no
network. The other loaders first look for files in `$KERAS_HOME/datasets`.
"""

from keras_vae.datasets.binarized_mnist import load_binarized_mnist
from keras_vae.datasets.characters import load_characters
from keras_vae.datasets.digits import load_digits
from keras_vae.datasets.emnist import load_emnist
from keras_vae.datasets.mnist import load_fashion_mnist, load_mnist
from keras_vae.datasets.sprites import SPRITE_FACTORS, load_sprites

__all__ = [
    "SPRITE_FACTORS",
    "load_binarized_mnist",
    "load_characters",
    "load_digits",
    "load_emnist",
    "load_fashion_mnist",
    "load_mnist",
    "load_sprites",
]
