# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 3 · Characters on request: the conditional VAE
#
# This lesson redoes section 4 of the Introduction: a conditional VAE that writes the
# requested character in a hand that six numbers determine, and whole sentences. (Its part on β is
# tutorial 06.)
#
#     python tutorials/03_conditional_generation.py                # offline, one or two minutes
#     python tutorials/03_conditional_generation.py --text "SEE YOU AT 8"
#     python tutorials/03_conditional_generation.py --dataset emnist        # or mnist, digits
#
# Figures and `metrics.json` go to the folder `--output`.

# %%
import time

import keras
import numpy as np
from lesson import Lesson, Progress
from sklearn.neighbors import KNeighborsClassifier

from keras_vae import (
    VAE,
    ConditionalVAE,
    datasets,
    networks,
    optimizers,
    plotting,
    pretrained,
    priors,
)
from keras_vae.likelihoods import Gaussian

DATASETS = {
    "characters": {
        "load": datasets.load_characters,
        "likelihood": "bernoulli",
        "network": {"hidden": (256, 128)},
        **{"epochs": 20, "batch_size": 128, "components": 5, "text": "HELLO 2026"},
        **{"judge": ((16, 2), (32, 2)), "judge_epochs": 8},
        "densities": 5_000,
    },
    "digits": {
        "load": datasets.load_digits,
        "likelihood": Gaussian(0.03),
        "network": {"hidden": (128, 64)},
        **{"epochs": 60, "batch_size": 32, "components": 3, "text": "2026"},
        **{"judge_epochs": 25},
    },
    "mnist": {
        "load": datasets.load_mnist,
        "likelihood": "bernoulli",
        "network": {"hidden": (512, 256)},
        **{"epochs": 30, "batch_size": 128, "components": 10, "text": "2026"},
        **{"judge_epochs": 5},
    },
    "emnist": {
        "load": datasets.load_emnist,
        "likelihood": "bernoulli",
        "network": {"filters": (16, 32, 32), "hidden": (64,)},
        **{"epochs": 50, "batch_size": 128, "components": 10, "text": "HELLO 2026"},
        **{"judge_epochs": 12},
    },
}
lesson = Lesson(
    "03_conditional_generation",
    DATASETS,
    figures={"emnist": {"sentence": "03_sentence"}},
    arguments={"--text": {"help": "a sentence to write: digits, and letters where it knows them"}},
)
settings, show = lesson.settings, lesson.show
likelihood, batch_size, components = (
    settings[name] for name in ("likelihood", "batch_size", "components")
)
epochs = lesson.epochs or settings["epochs"]
characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
if lesson.dataset in ("mnist", "digits"):
    characters = characters[:10]
text = (lesson.arguments.text or settings["text"]).upper()
if unknown := sorted(set(text) - set(characters + " ")):
    lesson.parser.error(f"--text has {', '.join(unknown)}; {lesson.dataset} knows {characters}.")

# %% [markdown]
# ## The data
#
# Grey images in [0, 1], and the character of each as an integer: its place in `characters`. The
# Introduction combines MNIST with a data set of letters. EMNIST contains both, from the same forms.

# %%
(x_train, y_train), (x_test, y_test) = settings["load"]()
classes = np.arange(len(characters))
print(f"{len(x_train)} images to train on, {len(x_test)} to test, of {len(classes)} characters")
examples = np.concatenate([x_train[y_train == c][:15] for c in classes])
show(
    plotting.image_grid(examples, columns=15, title="the data", row_names=characters),
    "data",
)

# %% [markdown]
# ## The model: every distribution reads the condition
#
# You cannot ask a VAE for a two. If encoder and decoder read the class $c$ as a second input, you
# can, and the derivation stays the same (Introduction, equation 8; its last $P(z, c)$ means
# $P(z|c)$):
#
# $$\log p(x|c) \ge E_{q(z|x,c)}[\log p(x|z, c)] - KL(q(z|x, c) \| p(z|c))$$
#
# Since the class is known, $z$ need not encode it. It encodes the hand instead: slant, width,
# boldness. We use six latents, as the Introduction does. (There, only the decoder reads the class;
# an encoder built without `condition=` gives the same.) The networks are dense for the digits and
# convolutional for the letters, as in the Introduction, with far fewer weights.
#
# For the small digits the likelihood is a Gaussian of fixed variance. With a Bernoulli on 64 grey
# pixels, $z$ would carry almost no information, and all hands would look alike.


# %%
def make_networks(condition):
    build = networks.conv if "filters" in settings["network"] else networks.dense
    return build(x_train.shape[1:], latent_dim=6, condition=condition, **settings["network"])


def train(model, name, *data, epochs=epochs):
    """Train with Adam and a learning rate that decays from 0.002 to 0; returns the seconds."""
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * (len(data[0]) // batch_size))
    model.compile(optimizers.Adam(rate), steps_per_execution=64)
    started = time.perf_counter()
    progress = Progress(name)
    model.fit(*data, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[progress])
    return time.perf_counter() - started


vae = ConditionalVAE(*make_networks(len(classes)), likelihood=likelihood, seed=0)
train_seconds = train(vae, "conditional VAE", x_train, y_train)

# %% [markdown]
# ## The value of the condition
#
# For comparison we train a VAE of the same size without the class. The conditional model gains nats
# in two ways. It is told the class, which is worth at most the log of the number of classes; and it
# may fit better. To separate the two, we sum over the classes: $p(x) = \sum_c p(c)\, p(x|c)$ is a
# model of the images alone, made of the same networks, that is not told the class. (The first part
# is small if the model explains some images far better as another class, such as an O as a 0.)
#
# The conditional densities also make a classifier: choose the class under which the image is most
# likely, $\hat c(x) = \arg\max_c p(x|c)$. That is Bayes' rule for equal $p(c)$.

# %%
plain = VAE(*make_networks(condition=None), likelihood=likelihood, seed=0)
train(plain, "VAE without classes", x_train)

densities = settings.get("densities", 10_000)  # of an image under a class
some, y_some = (a[: densities // len(classes)] for a in (x_test, y_test))
samples = 1000 // len(classes)  # for each of the classes
log_p_of_class = np.stack(
    [vae.log_likelihood(some, samples, seed=0, condition=np.full(len(some), c)) for c in classes],
    axis=1,
)
log_p_given_c = log_p_of_class[np.arange(len(some)), y_some].mean()
log_p_summed = (np.logaddexp.reduce(log_p_of_class, axis=1) - np.log(len(classes))).mean()
log_p_plain = plain.log_likelihood(some, samples, seed=0).mean()
elbo = vae.elbo(x_test, seed=0, condition=y_test).mean()
elbo_plain = plain.elbo(x_test, seed=0).mean()

print(f"ELBO of the test images, in nats: with class {elbo:.2f}, without {elbo_plain:.2f}")
print(f"log p of {len(some)} of them ({samples} samples): with class {log_p_given_c:.2f}, ", end="")
print(f"summed over classes {log_p_summed:.2f}, VAE without classes {log_p_plain:.2f}")
print(f"  gain {log_p_given_c - log_p_plain:.2f} nats: the class itself", end="")
print(f" {log_p_given_c - log_p_summed:.2f} (at most {np.log(len(classes)):.2f})", end="")
print(f", a better fit {log_p_summed - log_p_plain:.2f}")

# %% [markdown]
# ## A judge, and why it is not enough
#
# A classifier that was trained on real images judges whether a generated character is the one
# requested. This alone is easy to satisfy: draw the same good image of a class each time. So we
# also report the variance of the generated images within their class, as a share of the variance
# of the model's own reconstructions of test images:
#
# $$\text{accepted} = P(\hat c_{judge}(x) = c) \qquad
# \text{variance} = \frac{\sum_c \sum_i Var(x_i | c)}{\sum_c \sum_i Var(\hat x_i | c)}$$
#
# where $i$ runs over the pixels, $x$ is generated for the class $c$, and $\hat x$ is a
# reconstruction. A single image has no variance, as the mean image below shows.


# %%
judge_layers = settings.get("judge", ((32, 1), (64, 2), (64, 2)))  # filters, strides


def make_judge():
    judge = keras.Sequential(
        [
            keras.Input(x_train.shape[1:]),
            *(
                layer
                for filters, strides in judge_layers
                for layer in (
                    keras.layers.Conv2D(
                        filters, 3, strides=strides, padding="same", activation="relu"
                    ),
                    keras.layers.BatchNormalization(momentum=0.9),
                )
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(len(classes)),
        ]
    )
    judge_epochs = min(settings["judge_epochs"], lesson.epochs or 100)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, judge_epochs * (len(x_train) // batch_size))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    judge.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    fitting = {"batch_size": batch_size, "epochs": judge_epochs, "verbose": 0}
    judge.fit(x_train, y_train, callbacks=[Progress("the judge")], **fitting)
    return judge


judge = make_judge()


def accepted(images, wanted):
    """The share of images that the judge reads as the requested character."""
    return np.mean(judge.predict(images, batch_size=1000, verbose=0).argmax(axis=1) == wanted)


def variance(images, wanted):
    """Variance of each pixel within a class, summed over pixels, averaged over classes."""
    return np.mean([images[wanted == c].var(axis=0).sum() for c in classes])


reconstructions = vae.reconstruct(x_test, condition=y_test)

# %% [markdown]
# ## Three ways to draw z
#
# 1. From $p(z) = N(0, I)$, as in the Introduction.
# 2. From the latents of the data. Over all images of a class, the encoder's latents add up to a
#    distribution that is not quite $N(0, I)$. Where the prior draws and no image lies, the decoder
#    has learned nothing. So we fit a mixture of normals to the latents of each class:
#    $p(z|c) = \sum_k w_{ck}\, N(z; \mu_{ck}, \sigma_{ck}^2)$.
# 3. From a learned $p(z|c)$: the mixture is the prior of the model, and is trained with the rest by
#    the bound.

# %%
mixture = priors.Mixture(latent_dim=6, components=components, condition=len(classes))
mixture.fit(vae.encode(x_train, condition=y_train, sample=True, seed=0), y_train)

prior = priors.Mixture(latent_dim=6, components=components, condition=len(classes))
learned = ConditionalVAE(*make_networks(len(classes)), likelihood=likelihood, prior=prior, seed=0)
train(learned, "conditional VAE, learned prior", x_train, y_train)

n = 10_000 // len(classes)
wanted = np.repeat(classes, n)
means = np.stack([x_train[y_train == c].mean(axis=0) for c in classes])
drawn = {
    "mean image of the class": np.repeat(means, n, axis=0),
    "p(z) = N(0, I)": vae.generate(len(wanted), seed=1, condition=wanted),
    "mixture fitted to the latents": vae.generate(
        len(wanted), seed=1, condition=wanted, latents=mixture
    ),
    "p(z|c) learned": learned.generate(len(wanted), seed=1, condition=wanted),
}
of_learned = learned.reconstruct(x_test, condition=y_test)
print(f"{'':32}{'accepted':>10}{'variance':>10}")
print(f"{'test images':32}{accepted(x_test, y_test):10.1%}")
print(f"{'their reconstructions':32}{accepted(reconstructions, y_test):10.1%}{1:10.2f}")
shares, accepts = {}, {}
for name, images in drawn.items():
    own = of_learned if "learned" in name else reconstructions  # by the same model
    accepts[name] = accepted(images, wanted)
    shares[name] = variance(images, wanted) / variance(own, y_test)
    print(f"{name:32}{accepts[name]:10.1%}{shares[name]:10.2f}")

# %% [markdown]
# ## A row for each character
#
# First drawn from $N(0, I)$, then from the mixture, with the same networks.

# %%
for name, title in (
    ("p(z) = N(0, I)", "drawn from N(0, I)"),
    ("mixture fitted to the latents", "drawn from the mixture of each class"),
):
    images = drawn[name].reshape(len(classes), n, *x_train.shape[1:])[:, :15]
    figure = plotting.image_grid(
        np.concatenate(images), columns=15, title=title, row_names=characters
    )
    show(figure, f"drawn_from_{'mixture' if 'mixture' in name else 'prior'}")

# %% [markdown]
# ## One hand, every character
#
# Each row decodes one $z$ under every class. If $p(z)$ is the same for all classes, a point in the
# latent space means the same hand for each of them. So we use the model with $p(z) = N(0, I)$ here.
# A learned $p(z|c)$ may put each class in another place.

# %%
hands = np.array(vae.prior().sample(seed=3, shape=(6, 6)))


def written(z, wanted):
    """Images of the characters `wanted` in each of the hands z: (hands, wanted, ...)."""
    images = vae.decode(
        np.repeat(z, len(wanted), axis=0), condition=np.tile(np.asarray(wanted), len(z))
    )
    return images.reshape(len(z), len(wanted), *images.shape[1:])


figure = plotting.image_grid(
    np.concatenate(written(hands, classes)),
    len(classes),
    title="in each row one z, under every class",
    column_names=characters,
)
show(figure, "one_hand_all_characters")

# %% [markdown]
# ## One character, every hand: six sliders
#
# The Introduction's figure 4 [a] and [b] shows the sliders x1 to x6 and, with the class at 19,
# versions of J. Here each row moves one latent from −2 to 2 and leaves the others at 0.

# %%
wanted_here = characters.index("J" if "J" in characters else "5")
steps = np.linspace(-2, 2, 9)
sliders = np.zeros((6, len(steps), 6), "float32")
for i in range(6):
    sliders[i, :, i] = steps
images = vae.decode(sliders.reshape(-1, 6), condition=wanted_here)
figure = plotting.image_grid(
    images,
    columns=len(steps),
    title=f"{characters[wanted_here]}: each row varies one latent",
    row_names=[f"$x_{i + 1}$" for i in range(6)],
    column_names=[f"{step:g}" for step in steps],
)
show(figure, "sliders")

# %% [markdown]
# ## From one written character to all others
#
# The encoder reads the hand from a test image (left) and its class. The decoder writes every other
# character in this hand. Slant and boldness carry over. Some combinations never occur in the data,
# such as a 1 in the hand of a wide 6; there the decoder has to guess.

# %%
sources = [
    characters.index(character) for character in ("25BHRS1" if len(classes) > 10 else "235681")
]
originals = np.array([np.flatnonzero(y_test == c)[4] for c in sources])
hands = vae.encode(x_test[originals], condition=y_test[originals])
rows = np.concatenate([x_test[originals][:, np.newaxis], written(hands, classes)], axis=1)
figure = plotting.image_grid(
    np.concatenate(rows),
    columns=1 + len(classes),
    title="a written character, and all characters in its hand",
    column_names=[" ", *characters],
)
show(figure, "analogies")

# %% [markdown]
# ## A sentence on request
#
# The Introduction's figure 4 [c]: type a sentence and get it in handwriting. We write it in three
# hands, each read from a written character. For each letter we draw latents from its mixture and
# keep those that the judge reads as this letter. (EMNIST counts a small l as an L, and its stroke
# may be an I or a 1.) Among these we choose the latent that is both likely and near the hand $h$:
# the one with the largest $\log p(z|c) - \frac12 |z - h|^2$.

# %%
letters = [characters.find(letter) for letter in text]


def sentence(hand):
    """The text as one picture, in the given hand (a latent)."""
    images = []
    for i, letter in enumerate(letters):
        if letter < 0:
            images.append(np.zeros(x_train.shape[1:]))  # a space
            continue
        p = mixture.distribution([letter])
        draws = np.array(p.sample(seed=i, shape=(300, 6)))
        drawn_images = vae.decode(draws, condition=letter)
        read = keras.ops.softmax(judge.predict(drawn_images, batch_size=300, verbose=0))[:, letter]
        read = np.array(read)
        nearness = -np.sum((draws - hand) ** 2, axis=1) / 2
        score = np.where(read >= min(0.9, read.max()), p.log_prob(draws) + nearness, -np.inf)
        images.append(drawn_images[np.argmax(score)])
    images = np.array(images)
    margin = images.shape[2] // 8
    return np.concatenate(images[:, :, margin:-margin], axis=1)


lines = np.stack([sentence(hand) for hand in hands[:3]])
show(plotting.image_grid(lines, columns=1, title=text), "sentence")

# %% [markdown]
# ## A wrong condition
#
# If an image is encoded and decoded under a wrong class, it comes back as that class: the model
# looks for the 7 that is most similar to this 3. $\log p(x|c)$ shows how poor the match is.

# %%
few, asked = originals[:5], classes[:10]
under = vae.reconstruct(
    np.repeat(x_test[few], len(asked), axis=0), condition=np.tile(asked, len(few))
).reshape(len(few), len(asked), *x_test.shape[1:])
rows = np.concatenate([x_test[few][:, np.newaxis], under], axis=1)
figure = plotting.image_grid(
    np.concatenate(rows),
    columns=1 + len(asked),
    title="a written character, and its reconstruction under each class",
    column_names=[" ", *characters[:10]],
)
show(figure, "wrong_condition")

# %% [markdown]
# ## log p(x|c) as a classifier
#
# The model was trained to explain each character, not to tell them apart. We compare it with the
# classical baseline, five nearest neighbours, and with the judge, which was trained to classify.

# %%
flat_train, flat_some = x_train.reshape(len(x_train), -1), some.reshape(len(some), -1)
neighbours = KNeighborsClassifier(5).fit(flat_train, y_train)
right = {
    "log p(x|c)": np.mean(log_p_of_class.argmax(axis=1) == y_some),
    "5 nearest neighbours": neighbours.score(flat_some, y_some),
    "the judge": accepted(some, y_some),
}
for name, share in right.items():
    print(f"{name:24}{share:8.1%}")

# %% [markdown]
# ## Saving the model with its mixture
#
# We make the mixture the prior of the model. The model then draws from it by default. Its bound
# improves, since each image costs fewer nats under a prior that fits. One file holds both.

# %%
best = ConditionalVAE(
    vae.encoder, vae.decoder, likelihood=vae.likelihood_layer, prior=mixture, seed=0
)
path = lesson.output / "conditional_vae.keras"
best.save(path)
again = keras.models.load_model(path)
asked = {"seed": 1, "condition": classes}
same = np.array_equal(again.generate(len(classes), **asked), best.generate(len(classes), **asked))
print("the same after reading back:", same)

elbo_best = best.elbo(x_test, seed=0, condition=y_test).mean()
print(f"ELBO of the test images: with N(0, I) {elbo:.2f}, with the mixture {elbo_best:.2f} nats")

# %%
short = {
    "p(z) = N(0, I)": "prior",
    "mixture fitted to the latents": "mixture",
    "p(z|c) learned": "learned_prior",
}
found = {
    "test_elbo": elbo,
    "test_elbo_plain": elbo_plain,
    "test_elbo_mixture": elbo_best,
    "test_elbo_learned_prior": learned.elbo(x_test, seed=0, condition=y_test).mean(),
    "log_p_given_class": log_p_given_c,
    "log_p_summed_over_classes": log_p_summed,
    "log_p_plain": log_p_plain,
    "accepted_test_images": accepted(x_test, y_test),
    "accepted_reconstructions": accepted(reconstructions, y_test),
    "classified_by_log_p": right["log p(x|c)"],
    "classified_by_neighbours": right["5 nearest neighbours"],
    "train_seconds": train_seconds,
    **{f"accepted_{short[name]}": accepts[name] for name in short},
    **{f"variance_{short[name]}": shares[name] for name in short},
}
record = {"components": components, "batch_size": batch_size, "epochs": epochs}
lesson.finish(found, **record, **settings["network"])
if lesson.publish and lesson.dataset == "emnist":
    pretrained.publish(
        best,
        "conditional_emnist",
        {"elbo": found["test_elbo_mixture"], "accepted": found["accepted_mixture"]},
        about="Conditional VAE of the 36 digits and capital letters, 28 x 28 pixels, 6 latents, "
        "whose prior is a mixture of 10 normals for each; condition: places in 0-9A-Z.",
        data="emnist",
        licence="public domain (NIST Special Database 19)",
        command="tutorials/03_conditional_generation.py --dataset emnist --publish",
        limits="Blurry as every VAE of 6 latents; single characters, centred; trained on "
        f"{len(x_train):,} images, a part of those published.",
        seed=0,
    )

# %% [markdown]
# ## Summary
#
# - A condition is one more input of encoder and decoder. The bound is then a bound of log p(x|c).
# - The latents of the data are not distributed as the prior. Draw from a distribution fitted to
#   them, or learn the prior.
# - One picture per class can satisfy a judge. Measure the variance too.
# - To write all characters in one hand, the prior must not depend on the character. To make draws
#   look like data, it should.
