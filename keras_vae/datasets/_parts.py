"""What the loaders share: a smaller part of a data set, its classes in proportion."""

import numbers

import numpy as np


def limited(images, labels, limit, seed):
    """At most `limit` examples, the classes in proportion, in the order of the data set."""
    if limit is None:
        return images, labels
    if not isinstance(limit, numbers.Integral) or limit < 1:
        raise ValueError(f"limit is {limit!r}; expected an int of at least 1, or None for all.")
    shuffled = np.random.default_rng(seed).permutation(len(images))
    place = np.empty(len(images))  # of each example within its class, from 0 to 1
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    chosen = np.sort(np.argsort(place, kind="stable")[:limit])
    return images[chosen], labels[chosen]
