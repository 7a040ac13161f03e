# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 2 · A model on the bench: TensorBoard
#
# This lesson redoes the Thesis's two slides on TensorBoard: the graph of the model, whole and with
# encoder and decoder enlarged, and the loss by epoch. It goes on to what else can be watched while
# a VAE learns: pictures, the KL of each latent, the latent space, and settings compared.
#
#     python tutorials/02_tensorboard.py                      # 1,797 digits, offline, half a minute
#     python tutorials/02_tensorboard.py --dataset mnist      # the real thing, some minutes
#
# Figures, `metrics.json` and the folder `logs` for TensorBoard go to the folder `--output`.

# %%
import argparse
import json
import pathlib
import shutil
import sys

import keras
import matplotlib.pyplot as plt

from keras_vae import VAE, callbacks, datasets, metrics, networks, plotting

parser = argparse.ArgumentParser(description="A model on the bench: TensorBoard")
loaders = {"digits": datasets.load_digits, "mnist": datasets.load_mnist}
parser.add_argument("--dataset", choices=loaders, default="digits")
parser.add_argument("--epochs", type=int, help="default: 40 on digits, 10 on MNIST")
parser.add_argument("--output", type=pathlib.Path, default="output/02_tensorboard")
arguments = parser.parse_args([] if "ipykernel" in sys.modules else None)

small = arguments.dataset == "digits"
epochs = arguments.epochs or (40 if small else 10)
logs = arguments.output / "logs"

keras.utils.set_random_seed(0)
arguments.output.mkdir(parents=True, exist_ok=True)


def show(figure, name):
    """Keep the figure as a PNG, and show it where there is a screen for it (a notebook)."""
    figure.savefig(arguments.output / f"{name}.png", dpi=120)
    if "ipykernel" in sys.modules:
        plt.show()
    plt.close(figure)


# %% [markdown]
# ## The model
#
# The VAE of tutorial 01. What is minimised is written in the tab *Text* too:
#
# $$\text{loss} = -\log p(x|z) + \beta\, KL(q(z|x) \| p(z)), \qquad z \sim q(z|x)$$

# %%
(x_train, y_train), (x_test, y_test) = loaders[arguments.dataset]()


def make_vae(latent_dim, beta=1.0):
    hidden = (128,) if small else (400,)
    encoder, decoder = networks.dense(x_train.shape[1:], latent_dim, hidden=hidden)
    vae = VAE(encoder, decoder, beta=beta, seed=0)
    vae.compile(optimizer="adam", steps_per_execution=16)
    return vae


vae = make_vae(latent_dim=2)

# %% [markdown]
# ## The graph, before anything is trained
#
# Keras 3 shows no graph for a model that brings its own training step; here it is, sorted. One
# reads it from bottom to top: x goes into the encoder, which gives mean and log-variance of
# $q(z|x)$; *sampling* draws z from it; the decoder makes of z what $p(x|z)$ needs. The loss has
# two terms: *reconstruction* asks the decoder and x, *kl* asks the encoder alone. What follows is
# learning: gradients flow *backward* through the same parts, *apply_gradients* moves the weights.
#
# One thing is left out for the sake of the picture: `backward` also reads weights and activations
# of the networks.

# %%
show(plotting.model_graph(callbacks.tidy_graph(vae), title="one training step"), "01_graph")
inference = callbacks.tidy_graph(vae, "inference")
show(plotting.model_graph(inference, title="inference: x to p(x|z)"), "02_graph_inference")
generation = callbacks.tidy_graph(vae, "generation")
show(plotting.model_graph(generation, title="generation: p(z) to p(x|z)"), "03_graph_generation")

# %% [markdown]
# ## Training, watched
#
# One callback and nothing else. Give each training a folder of its own, side by side: TensorBoard
# then compares them. Three models: two latents; eight; and eight with a KL term of four times the
# weight (a β-VAE), raised slowly over the first quarter of the training.


# %%
def train(vae, name, *more):
    shutil.rmtree(logs / name, ignore_errors=True)  # of an earlier run
    board = callbacks.TensorBoard(logs / name, labels=y_test)
    return vae.fit(
        x_train,
        epochs=epochs,
        batch_size=32 if small else 128,
        validation_data=x_test,
        callbacks=[*more, board],
        verbose=0,
    )


models = {"latent2": vae, "latent8": make_vae(8), "latent8_beta4": make_vae(8, beta=4.0)}
warmup = callbacks.KLWarmup(max(1, epochs // 4), end=4.0)
histories = {
    name: train(model, name, *([warmup] if name.endswith("beta4") else []))
    for name, model in models.items()
}

# %% [markdown]
# ## The loss by epoch
#
# The Thesis's other slide. In TensorBoard it is `epoch_loss` in *Time series*; β times the KL is in
# it, so between models of different β compare `epoch_elbo`, the bound itself.

# %%
names = ["loss", "reconstruction_loss", "kl_loss", "elbo"]
show(plotting.history(histories["latent2"], names, title="two latents"), "04_history")

# %% [markdown]
# ## What to open, and what to see

# %%
print(f"""
Open it:        tensorboard --logdir {logs}
In a notebook:  %load_ext tensorboard
                %tensorboard --logdir {logs}

Graphs        Run: latent2/train is one training step, latent2/views/inference and .../generation
              what is used of it later. Double-click `encoder`, `decoder`, `loss` to look inside;
              a click on a node shows its inputs, outputs and shapes. Colour by device: where there
              is a GPU, it shows.
Time series   epoch_loss and its terms, train beside validation; kl_by_latent: which latents carry
              how much information; epoch_active_units: how many do; epoch_beta: the warm-up.
Images        originals above reconstructions; draws from the prior; the manifold of two latents, or
              what each of eight does. The slider goes through the training.
Projector     the test images at their latents: colour by label, turn it, or take t-SNE.
Histograms    the weights of each layer, and mean and log-variance of q(z|x): a latent that nobody
Distributions   uses has means at 0 and log-variances at 0, as the prior.
HParams       the three trainings in one table: settings beside final losses.
Text          the summary of the model, and its loss as a formula.
""")

# %% [markdown]
# ## In numbers
#
# With β = 4 the KL falls, and the bound, which knows no β, is worse: that is the price of a simpler
# code. On the small digits it goes all the way: no latent is left, all draws are alike. This is
# posterior collapse, and `kl_by_latent` shows when it happened.

# %%
found = {}
print(f"{'test, in nats':16}{'elbo':>10}{'KL':>10}{'active units':>16}")
for name, model in models.items():
    losses = model.evaluate(x_test, batch_size=1024, verbose=0, return_dict=True)
    active = metrics.active_units(model.encode(x_test))
    print(f"{name:16}{losses['elbo']:10.2f}{losses['kl_loss']:10.2f}{active:16}")
    found |= {f"{name}_elbo": losses["elbo"], f"{name}_kl_loss": losses["kl_loss"]}
    found[f"{name}_active_units"] = active

text = json.dumps(found, indent=2, sort_keys=True)
(arguments.output / "metrics.json").write_text(text + "\n")
