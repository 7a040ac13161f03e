"""The tables of the README, made from the JSON files that benchmarks and tutorials keep.

    python benchmarks/tables.py            renews README.md in place

A table stands between `<!-- table: name -->` and `<!-- end -->`; nothing else is touched.
"""

import pathlib
import re

from keras_vae import results, zoo

ROOT = pathlib.Path(__file__).parents[1]


def speed():
    record = results.read(ROOT / "benchmarks/results/throughput.json")
    networks, settings = dict(record["results"]), record["settings"]
    watched, networks = networks.pop("tensorboard"), networks.values()
    rows = {
        name: [
            f"{row['per_second']:,.0f} ({row['wall_ratio']:.2f}; {row['cpu_ratio']:.2f})"
            for row in (network["rows"][name] for network in networks)
        ]
        for name in next(iter(networks))["rows"]
    }
    table = _table(["", *(network["network"] for network in networks)], rows)
    return (
        f"Images a second, the best of {settings['rounds']} rounds, in batches of "
        f"{settings['batch_size']}, {settings['images']:,} images; in brackets the ratio to (b), "
        "in wall time and in CPU seconds: above 1 is faster. "
        f"{_origin(record)}\n\n{table}\n\n"
        f"Watched by `callbacks.TensorBoard` with its defaults, {watched['epochs']} epochs of the "
        f"dense model take {1 / list(watched['rows'].values())[-1]['wall_ratio'] - 1:.0%} longer."
    )


def likelihood():
    record = results.read(ROOT / "benchmarks/results/likelihood_speed.json")
    rows = {
        name: [f"{row['per_second']:,.0f}", f"{row['wall_ratio']:.2f}"]
        for name, row in record["results"]["speed"].items()
    }
    settings, memory = record["settings"], record["results"]["memory"]
    mb, images, samples = (
        sorted(row[key] for row in memory) for key in ("mb", "images", "num_samples")
    )
    return (
        f"Importance-weighted log p(x), {settings['network']}, {settings['images']:,} images, "
        f"{settings['num_samples']} samples, the best of {settings['rounds']} rounds. "
        f"{_origin(record)}\n\n"
        f"{_table(['', 'images x samples a second', 'to the fastest by hand'], rows)}\n\n"
        f"Peak memory above that of `elbo`: {mb[0]:.0f} to {mb[-1]:.0f} MB, from {samples[0]:,} to "
        f"{samples[-1]:,} samples and from {images[0]:,} to {images[-1]:,} images."
    )


def endurance():
    rows = results.read(ROOT / "benchmarks/results/endurance.json")["results"]
    models, plain = (rows.pop(f"many {kind}") for kind in ("models", "plain Keras VAEs"))
    predict = rows.pop("predict (Keras's own)")["mb"]
    most = max(rows, key=lambda name: rows[name]["mb"])
    return (
        "What a process grows by: in 300 epochs of `fit` and 2,000 calls of each verb at most "
        f"{rows[most]['mb']:.0f} MB ({most}); with `predict`, which is Keras's own, {predict:.0f} "
        f"MB; with each model that it makes and drops {models['mb'] / models['times']:.0f} MB, a "
        f"plain Keras VAE {plain['mb'] / plain['times']:.0f} MB."
    )


def mnist():
    record = results.read(ROOT / "tutorials/results/01_image_generation_mnist.json")
    found = record["results"]
    columns = {
        "Thesis": {"test_rmse": "0.171", "test_mae": "0.073"},
        "its network as a VAE, tanh (spread of 3 seeds)": {
            name: f"{found[f'thesis_{name}']:{form}} ({found[f'thesis_spread_{name}']:{form}})"
            for name, form in _FORMS.items()
        },
        "the same, ReLU": _column(found, "thesis_relu_"),
        "tutorial, 2 latents": _column(found, ""),
        "tutorial, 23 latents": _column(found, "latent23_"),
    }
    titles = {"RMSE": "test_rmse", "MAE": "test_mae", "loss, nats": "test_loss"}
    titles["of it KL"] = "test_kl_loss"
    rows = {
        title: [column.get(name, "") for column in columns.values()]
        for title, name in titles.items()
    }
    return f"{_table(['MNIST, test images', *columns], rows)}\n\n{_origin(record)}"


_FORMS = {"test_rmse": ".4f", "test_mae": ".4f", "test_loss": ".2f", "test_kl_loss": ".2f"}


def _column(found, prefix):
    return {name: f"{found[prefix + name]:{form}}" for name, form in _FORMS.items()}


def models():
    rows = {}
    for name in zoo.__all__:
        text = " ".join(getattr(zoo, name).__doc__.split())
        parts, paper, tutorial = re.search(
            "By parts: (.*) Paper: (.*) Tutorial: (.*)", text
        ).groups()
        rows[f"`{name}`"] = [parts, paper, f"[{tutorial[:2]}](tutorials/{tutorial}.py)"]
    return _table(["`zoo.`", "by parts", "paper", "tutorial"], rows)


def pretrained_models():
    rows = {}
    for path in sorted((ROOT / "saved_models").glob("*.json")):
        card = results.read(path)
        settings, found = card["settings"], card["results"]
        size = path.with_suffix(".keras").stat().st_size / 1000
        rows[f"`{path.stem}`"] = [settings["about"], f"{found['elbo']:.2f}", f"{size:.0f} kB"]
    return _table(["", "", "ELBO, nats", ""], rows)


def conditional():
    found, origin = {}, ""
    for name in ("mnist", "emnist"):
        record = results.read(ROOT / f"tutorials/results/03_conditional_generation_{name}.json")
        found[name], origin = record["results"], _origin(record)
    names = {
        "prior": "p(z) = N(0, I)",
        "mixture": "a mixture for each class, fitted to the latents",
        "learned_prior": "p(z\\|c) a mixture, learned with the rest",
    }
    rows = {"real test images": [f"{each['accepted_test_images']:.1%}" for each in found.values()]}
    for key, name in names.items():
        rows[name] = [
            f"{each[f'accepted_{key}']:.1%}; {each[f'variance_{key}']:.2f}"
            for each in found.values()
        ]
    table = _table(["z drawn from", "MNIST, 10 digits", "EMNIST, 36 characters"], rows)
    return f"{table}\n\n{origin}"


def denoising():
    record = results.read(ROOT / "tutorials/results/04_denoising_mnist.json")
    found, settings = record["results"], record["settings"]
    ways = {
        "noisy": "the noisy image",
        "cut": "the noisy image, cut to [0, 1]",
        "autoencoder": "autoencoder trained on (noisy, clean) at 0.5",
        "vae": "VAE trained on (noisy, clean) at 0.5",
        "inference": "VAE trained clean, inference under the noise",
        "one_pass": "VAE trained clean, one pass (the Report)",
        "wiener": "Wiener filter",
        "pca": "principal components",
        "non_local_means": "non-local means",
        "median": "median filter",
    }
    columns = {
        "σ = 0.1": "0.1",
        "σ = 0.5": "0.5",
        "σ = 1": "1.0",
        "salt and pepper 50 %": "salt_and_pepper_0.5",
        "masking 50 %": "masking_0.5",
        "speckle 0.5": "speckle_0.5",
    }

    def cell(way, key):
        if f"psnr_{way}_{key}" not in found:
            return ""
        psnr, given = found[f"psnr_{way}_{key}"], found[f"psnr_cut_{key}"]
        text = f"{psnr:.2f}; {found[f'ssim_{way}_{key}']:.3f}"
        return f"*{text}*" if psnr < given and way != "noisy" else text

    rows = {
        label: [cell(way, key) for key in columns.values()]
        for way, label in ways.items()
        if f"psnr_{way}_0.5" in found
    }
    return (
        f"{_table(['PSNR in dB; SSIM', *columns], rows)}\n\n"
        f"MNIST, {settings['images']:,} test images at σ = 0.5 and for salt and pepper, else the "
        f"first {settings['some']:,}. Every output is cut to [0, 1]; in italics, a PSNR "
        "below that of the noisy image, cut. "
        f"{_origin(record)}"
    )


def _origin(record):
    versions, machine = record["versions"], record["machine"]
    return (
        f"{record['date']}, Keras {versions['keras']}, TensorFlow {versions['tensorflow']}, "
        f"{machine['cores']} cores ({machine['processor']})."
    )


def _table(head, rows):
    lines = [head, ["---"] * len(head), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {
    "conditional": conditional,
    "denoising": denoising,
    "endurance": endurance,
    "likelihood": likelihood,
    "mnist": mnist,
    "models": models,
    "pretrained": pretrained_models,
    "speed": speed,
}


def renewed(readme):
    """The text of the README, with every table as the JSON files have it."""

    def table(match):
        name = match[1]
        return f"<!-- table: {name} -->\n{TABLES[name]()}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", table, readme, flags=re.DOTALL)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(renewed(path.read_text()))
