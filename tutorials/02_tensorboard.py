# ---
# jupyter:
#   kernelspec: {name: python3, display_name: Python 3, language: python}
# ---

# %% [markdown]
# # 2 · Watching a model: TensorBoard
#
# This lesson redoes the Thesis's two slides on TensorBoard: the graph of the model, whole and with
# encoder and decoder enlarged, and the loss by epoch. It then shows what else you can watch while a
# VAE learns: pictures, the KL of each latent, the latent space, and a comparison of settings.
#
#     python tutorials/02_tensorboard.py                      # offline, a minute
#     python tutorials/02_tensorboard.py --dataset mnist      # the full data, some minutes
#
# Figures, `metrics.json` and the folder `logs` for TensorBoard go to the folder `--output`.

# %%
import shutil

from lesson import Lesson, Progress

from keras_vae import VAE, callbacks, datasets, metrics, networks, optimizers, plotting

lesson = Lesson(
    "02_tensorboard",
    {
        "characters": {
            "load": lambda: datasets.load_characters("digits"),
            **{"hidden": (256, 128), "batch_size": 64, "epochs": 30},
        },
        "mnist": {"load": datasets.load_mnist, "hidden": (400,), "batch_size": 128, "epochs": 10},
        "digits": {"load": datasets.load_digits, "hidden": (128,), "batch_size": 32, "epochs": 40},
    },
)
settings, show = lesson.settings, lesson.show
epochs, logs = lesson.epochs or settings["epochs"], lesson.output / "logs"

# %% [markdown]
# ## The model
#
# The VAE of tutorial 01. TensorBoard shows its loss in the tab *Text*, too:
#
# $$\text{loss} = -\log p(x|z) + \beta\, KL(q(z|x) \| p(z)), \qquad z \sim q(z|x)$$

# %%
(x_train, y_train), (x_test, y_test) = settings["load"]()


def make_vae(latent_dim, beta=1.0):
    encoder, decoder = networks.dense(x_train.shape[1:], latent_dim, hidden=settings["hidden"])
    vae = VAE(encoder, decoder, beta=beta, seed=0)
    vae.compile(optimizers.Adam(), steps_per_execution=16)
    return vae


vae = make_vae(latent_dim=2)

# %% [markdown]
# ## The graph, before any training
#
# Keras 3 writes no graph for a model with its own training step. Here it is, sorted into parts.
# Read it from bottom to top. x enters the encoder, which gives the mean and log-variance of
# $q(z|x)$. *sampling* draws z, and the decoder turns z into the parameters of $p(x|z)$. The loss
# has two terms: *reconstruction* needs the decoder and x, *kl* needs the encoder alone. Then comes
# learning: gradients flow *backward* through the same parts, and *apply_gradients* updates the
# weights.
#
# To keep the picture readable, the graph omits that `backward` also reads weights and activations
# of the networks.

# %%
show(plotting.model_graph(callbacks.tidy_graph(vae), title="one training step"), "graph")
inference = callbacks.tidy_graph(vae, "inference")
show(plotting.model_graph(inference, title="inference: x to p(x|z)"), "graph_inference")
generation = callbacks.tidy_graph(vae, "generation")
show(plotting.model_graph(generation, title="generation: p(z) to p(x|z)"), "graph_generation")

# %% [markdown]
# ## Watching the training
#
# One callback is enough. Give each training a folder of its own, side by side, so that TensorBoard
# compares them. We train three models: two latents; eight latents; and eight latents with four
# times the weight on the KL term (a β-VAE), which rises over the first quarter of the training.


# %%
def train(vae, name, *more):
    shutil.rmtree(logs / name, ignore_errors=True)  # logs of an earlier run
    board = callbacks.TensorBoard(logs / name, labels=y_test)
    return vae.fit(
        x_train,
        epochs=epochs,
        batch_size=settings["batch_size"],
        validation_data=x_test,
        callbacks=[*more, board, Progress(name)],
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
# The Thesis's other slide. TensorBoard shows it as `epoch_loss` in *Time series*. The loss contains
# β times the KL, so compare models of different β by `epoch_elbo`, the bound itself.

# %%
names = ["loss", "reconstruction_loss", "kl_loss", "elbo"]
show(plotting.history(histories["latent2"], names, title="two latents"), "history")

# %% [markdown]
# ## What to open and what to look for

# %%
print(f"""
Open it:        tensorboard --logdir {logs}
In a notebook:  %load_ext tensorboard
                %tensorboard --logdir {logs}

Graphs        The run latent2/train is one training step; latent2/views/inference and .../generation
              are the parts used after training. Double-click `encoder`, `decoder` or `loss` to look
              inside. Click a node to see its inputs, outputs and shapes. Colour by device shows
              which parts run on a GPU.
Time series   epoch_loss and its terms, for training and validation; kl_by_latent: how much
              information each latent carries; epoch_active_units: how many latents carry some;
              epoch_beta: the warm-up.
Images        Originals above reconstructions; draws from the prior; the manifold of two latents, or
              the effect of each of eight. The slider moves through the training.
Projector     The test images at their latents: colour them by label, rotate them, or use t-SNE.
Histograms    The weights of each layer, and the mean and log-variance of q(z|x). An unused latent
Distributions   has means and log-variances at 0, as the prior has.
HParams       The three trainings in one table, with their settings and final losses.
Text          The summary of the model, and its loss as a formula.
""")

# %% [markdown]
# ## In numbers
#
# With β = 4 the KL falls by half, and the bound, which does not contain β, gets worse: the price of
# a simpler code. With a β that is larger still, latents switch off one by one. This is posterior
# collapse; `kl_by_latent` shows when it happens. (On the 8 × 8 digits β = 4 is enough for it.)

# %%
found = {}
print(f"{'test, in nats':16}{'elbo':>10}{'KL':>10}{'active units':>16}")
for name, model in models.items():
    losses = model.evaluate(x_test, batch_size=1024, verbose=0, return_dict=True)
    active = metrics.active_units(model.encode(x_test))
    print(f"{name:16}{losses['elbo']:10.2f}{losses['kl_loss']:10.2f}{active:16}")
    found |= {f"{name}_elbo": losses["elbo"], f"{name}_kl_loss": losses["kl_loss"]}
    found[f"{name}_active_units"] = active

lesson.finish(found)
