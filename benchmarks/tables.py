"""The tables of the README, made from the JSON files that benchmarks and tutorials keep.

    python benchmarks/tables.py            renews README.md in place, and the tables beside results

A table stands between `<!-- table: name -->` and `<!-- end -->`; nothing else is touched.
"""

import pathlib
import re

import numpy as np
from scipy import stats

from keras_vae import results, zoo
from keras_vae.tasks import anomaly_detection

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


class Anomalies:
    """What `anomaly_detection.py` measured on images: figures by protocol, score and odd kind."""

    def __init__(self, name):
        path = ROOT / "benchmarks/results/anomaly_detection_{}.json"
        self.record = results.read(str(path).format(name))
        self.tested = self.record["results"]["tested"]
        self.seeds = [  # of a run that was ended early, what it finished
            seed
            for seed in self.record["settings"]["seed"]
            if sum(key.endswith(f"_{seed}") for key in self.tested) == 20
        ]
        self.chosen_on = results.read(str(path).format("mnist"))["results"]["chosen_on"]

    def scores(self, protocol):
        return list(self.tested[f"{protocol}_0_0"])

    def by_kind(self, protocol, score, figure="auroc"):
        """An array `(seeds, 10)`; what no seed moves was measured with the first one."""
        seeds = [seed for seed in self.seeds if score in self.tested[f"{protocol}_0_{seed}"]]
        keys = [[f"{protocol}_{kind}_{seed}" for kind in range(10)] for seed in seeds]
        return np.array([[self.tested[key][score][figure] for key in row] for row in keys])

    def chosen(self, protocol):
        """The best on MNIST's stand-ins, of the scores without labels and of those with them."""
        found = [row for key, row in self.chosen_on.items() if key.startswith(protocol)]
        groups = [anomaly_detection.SCORES]
        if protocol == "nine":
            groups.append(anomaly_detection.CLASS_SCORES)
        return [
            max(group, key=lambda score: sum(row[score]["auroc"] for row in found))
            for group in groups
        ]


def anomalies():
    mnist, fashion = Anomalies("mnist"), Anomalies("fashion_mnist")
    columns = {  # of a data set and a protocol, what of the figures `(seeds, 10)`
        "nine normal: mean": (mnist, "nine", lambda found: found.mean(axis=1)),
        "digit 9": (mnist, "nine", lambda found: found[:, 9]),
        "nine normal: least": (mnist, "nine", _least),
        "one normal: mean": (mnist, "one", lambda found: found.mean(axis=1)),
        "one normal: least": (mnist, "one", _least),
        "Fashion-MNIST, nine normal": (fashion, "nine", lambda found: found.mean(axis=1)),
        "Fashion-MNIST, one normal": (fashion, "one", lambda found: found.mean(axis=1)),
    }
    rows = {"squared error, as the Report found": ["", "0.63", *[""] * 5]}
    for score in mnist.scores("nine"):
        cells = []
        for data, protocol, of in columns.values():
            cell = ""
            if score in data.scores(protocol):
                cell = _with_interval(of(data.by_kind(protocol, score)))
            cells.append(f"**{cell}**" if score in data.chosen(protocol) else cell)
        rows[_label(score)] = cells
    seeds, others = len(mnist.seeds), len(fashion.seeds)
    return (
        f"{_table(['AUROC', *columns], rows)}\n\n"
        f"MNIST, {seeds} seeds, with the 95 % interval of their mean; Fashion-MNIST, {others}; "
        "what no seed moves, once. In bold, for each protocol the score that stand-ins (MNIST's 0, "
        "4 and 7, on a part of the training set) have chosen, without labels and with them. "
        f"{_origin(mnist.record)}"
    )


def anomalies_by_kind(name):
    """Every score and kind, a Markdown text."""
    data = Anomalies(name)
    parts = [
        f"# {name}: every score, every kind as the odd one\n",
        "Made by `python benchmarks/tables.py` from the JSON file beside it. "
        f"{len(data.seeds)} seeds, with the 95 % interval of their mean; in bold, the score that "
        f"stand-ins have chosen. {_origin(data.record)}",
    ]
    for protocol, title in (("nine", "nine kinds normal"), ("one", "one kind normal")):
        for figure in ("auroc", "average_precision"):
            rows = {}
            for score in data.scores(protocol):
                found = data.by_kind(protocol, score, figure)
                cells = [_with_interval(each) for each in (found.mean(axis=1), *found.T)]
                label = _label(score)
                rows[f"**{label}**" if score in data.chosen(protocol) else label] = cells
            parts += [
                f"\n## {figure.replace('_', ' ')}, {title}\n",
                _table(["", "mean", *map(str, range(10))], rows),
            ]
    return "\n".join(parts) + "\n"


def anomalies_in_tables():
    record = results.read(ROOT / "benchmarks/results/anomaly_detection_tables.json")
    by_set = {}
    for key, found in record["results"].items():
        by_set.setdefault(key.rpartition("_")[0], []).append(found)
    means = {
        name: {
            score: np.mean([each["auroc"] for found in classes for each in found[score]])
            for score in classes[0]
        }
        for name, classes in by_set.items()
    }
    rows = {}
    for score in next(iter(means.values())):
        cells = [(found[score], max(found.values())) for found in means.values()]
        rows[_label(score)] = [
            f"**{mean:.3f}**" if mean == best else f"{mean:.3f}" for mean, best in cells
        ]
    heads = [
        f"{name.replace('_', ' ')}, {len(classes)} classes" for name, classes in by_set.items()
    ]
    seeds = len(record["settings"]["seed"])
    return (
        f"{_table(['AUROC', *heads], rows)}\n\n"
        "scikit-learn's tables, each class in turn as what is normal, half of it to learn from; "
        f"the mean over classes and {seeds} seeds, the best in bold. {_origin(record)}"
    )


def _label(score):
    criteria = anomaly_detection.SCORES | anomaly_detection.CLASS_SCORES
    return f"`{score}`" if score in criteria else score.replace("_", " ")


def _least(found):
    """The figures of the kind that does worst."""
    return found[:, found.mean(axis=0).argmin()]


def _with_interval(values):
    """The mean over seeds, and half of its 95 % interval (Student's t)."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.3f} ± {half:.3f}"


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
    "anomalies": anomalies,
    "anomalies_in_tables": anomalies_in_tables,
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
    for name in ("mnist", "fashion_mnist"):
        path = ROOT / f"benchmarks/results/anomaly_detection_{name}.md"
        path.write_text(anomalies_by_kind(name))
