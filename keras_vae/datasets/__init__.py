"""Data sets, ready to fit: `(x_train, y_train), (x_test, y_test)`, float32 in [0, 1].

Some come in another form. `load_binarized_mnist` returns three arrays without labels, and
`load_sprites` images with the factors that they are made from. `load_faces` and
`load_cropped_yale` have no split. `load_adbench` returns a table, `load_movielens` ratings.

`load_characters`, `load_digits` and `load_sprites` need no network. The other loaders look for
files in `$KERAS_HOME/datasets`. If there are none, those of CIFAR-10 and of the kinds of MNIST
download them; the others say where to get them.
"""

from keras_vae.datasets.adbench import load_adbench
from keras_vae.datasets.binarized_mnist import load_binarized_mnist
from keras_vae.datasets.characters import load_characters
from keras_vae.datasets.cifar10 import load_cifar10
from keras_vae.datasets.digits import load_digits
from keras_vae.datasets.emnist import load_emnist
from keras_vae.datasets.faces import load_cropped_yale, load_faces
from keras_vae.datasets.mnist import load_fashion_mnist, load_mnist
from keras_vae.datasets.movielens import load_movielens, load_movielens_titles
from keras_vae.datasets.omniglot import load_omniglot
from keras_vae.datasets.sprites import SPRITE_FACTORS, load_sprites

__all__ = [
    "SPRITE_FACTORS",
    "load_adbench",
    "load_binarized_mnist",
    "load_characters",
    "load_cifar10",
    "load_cropped_yale",
    "load_digits",
    "load_emnist",
    "load_faces",
    "load_fashion_mnist",
    "load_mnist",
    "load_movielens",
    "load_movielens_titles",
    "load_omniglot",
    "load_sprites",
]
