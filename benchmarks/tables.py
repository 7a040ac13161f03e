"""Make the tables of the pages from the JSON files that benchmarks and tutorials write.

    python benchmarks/tables.py            updates docs/*.md and benchmarks/results/*.md

In a page a table stands between `<!-- table: name -->` and `<!-- end -->`. Nothing else there
changes.
"""

import collections
import pathlib
import re

import numpy as np
from scipy import stats

from keras_vae import results, zoo
from keras_vae.tasks import anomaly_detection

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "docs/results.md", ROOT / "docs/models.md"]


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
        f"Images per second: the best of {settings['rounds']} rounds over {settings['images']:,} "
        f"images, in batches of {settings['batch_size']}. In brackets, the speed relative to (b) "
        "in wall time and in CPU time; above 1 is faster. "
        f"{_origin(record)}\n\n{table}\n\n"
        f"With `callbacks.TensorBoard` and its defaults, {watched['epochs']} epochs of the dense "
        f"model take {1 / list(watched['rows'].values())[-1]['wall_ratio'] - 1:.0%} longer."
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
        f"Importance-weighted log p(x) with the network {settings['network']}, "
        f"{settings['images']:,} images and {settings['num_samples']} samples: the best of "
        f"{settings['rounds']} rounds. {_origin(record)}\n\n"
        f"{_table(['', 'images x samples per second', 'relative to the fastest by hand'], rows)}"
        f"\n\n`log_likelihood` needs {mb[0]:.0f} to {mb[-1]:.0f} MB more than `elbo` at its peak, "
        f"for {samples[0]:,} to {samples[-1]:,} samples and {images[0]:,} to {images[-1]:,} images."
    )


def endurance():
    rows = results.read(ROOT / "benchmarks/results/endurance.json")["results"]
    models, plain = (rows.pop(f"many {kind}") for kind in ("models", "plain Keras VAEs"))
    predict = rows.pop("predict (Keras's own)")["mb"]
    most = max(rows, key=lambda name: rows[name]["mb"])
    return (
        "In 300 epochs of `fit`, or 2,000 calls of a verb, a process grows by at most "
        f"{rows[most]['mb']:.0f} MB ({most}), and by {predict:.0f} MB in 2,000 calls of `predict`, "
        "which is Keras's own. Each model that a process makes and drops leaves "
        f"{models['mb'] / models['times']:.0f} MB behind; a plain Keras VAE leaves "
        f"{plain['mb'] / plain['times']:.0f} MB."
    )


def mnist():
    record = results.read(ROOT / "tutorials/results/01_image_generation_mnist.json")
    found = record["results"]
    columns = {
        "Thesis": {"test_rmse": "0.171", "test_mae": "0.073"},
        "its network as a VAE, tanh (range of 3 seeds)": {
            name: f"{found[f'thesis_{name}']:{form}} ({found[f'thesis_spread_{name}']:{form}})"
            for name, form in _FORMS.items()
        },
        "its network as a VAE, ReLU": _column(found, "thesis_relu_"),
        "tutorial, 2 latents": _column(found, ""),
        "tutorial, 23 latents": _column(found, "latent23_"),
    }
    titles = {"RMSE": "test_rmse", "MAE": "test_mae", "loss, nats": "test_loss"}
    titles["KL term, nats"] = "test_kl_loss"
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
    for name, entry in sorted(zoo.ENTRIES.items()):
        parts = re.search("By parts: (.*)", " ".join(entry.make.__doc__.split()))[1]
        tutorial = f"[{entry.tutorial[:2]}](../tutorials/{entry.tutorial}.py)"
        rows[f"`{name}`"] = [parts, entry.paper, tutorial]
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
        "learned_prior": "p(z\\|c), a mixture learned with the rest",
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
    methods = {
        "noisy": "the noisy image",
        "cut": "the noisy image, clipped to [0, 1]",
        "autoencoder": "autoencoder trained on (noisy, clean) at 0.5",
        "vae": "VAE trained on (noisy, clean) at 0.5",
        "inference": "VAE trained on clean images, inference under the noise",
        "one_pass": "VAE trained on clean images, one pass (the Report)",
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

    def cell(method, key):
        if f"psnr_{method}_{key}" not in found:
            return ""
        psnr, clipped = found[f"psnr_{method}_{key}"], found[f"psnr_cut_{key}"]
        text = f"{psnr:.2f}; {found[f'ssim_{method}_{key}']:.3f}"
        return f"*{text}*" if psnr < clipped and method != "noisy" else text

    rows = {
        label: [cell(method, key) for key in columns.values()]
        for method, label in methods.items()
        if f"psnr_{method}_0.5" in found
    }
    return (
        f"{_table(['PSNR in dB; SSIM', *columns], rows)}\n\n"
        f"MNIST: {settings['images']:,} test images for σ = 0.5 and for salt and pepper, the first "
        f"{settings['some']:,} otherwise. All outputs are clipped to [0, 1]. Italics mark a PSNR "
        "below the clipped noisy image's. "
        f"{_origin(record)}"
    )


def _over_seeds(found):
    """{name: {figure: array over the seeds}} of the records `name_seed`."""
    by_name = {}
    for name, row in found.items():
        by_name.setdefault(name.rpartition("_")[0], []).append(row)
    return {
        name: {figure: np.array([row[figure] for row in rows]) for figure in rows[0]}
        for name, rows in by_name.items()
    }


def _with_error(values, form):
    """The mean over seeds, and its standard error."""
    error = f" ± {stats.sem(values):{form}}" if len(values) > 1 else ""
    return f"{np.mean(values):{form}}{error}"


def beta():
    parts = []
    for name, title in (("digits", "packaged digits"), ("mnist", "MNIST")):
        record = results.read(ROOT / f"benchmarks/results/beta_{name}.json")
        figures = {"kl_loss": ".2f", "reconstruction_loss": ".2f", "test_elbo": ".2f"}
        figures |= {"active_units": ".1f", "from_class_mean": ".3f"}
        rows = {
            f"β = {float(beta):g}": [_with_error(row[key], form) for key, form in figures.items()]
            for beta, row in _over_seeds(record["results"]).items()
        }
        heads = ["KL", "reconstruction loss", "ELBO, test", "active units", "draws: from mean"]
        seeds = len(record["settings"]["seed"])
        parts.append(
            f"{_table([title, *heads], rows)}\n\nMeans over {seeds} seeds with their standard "
            f"error. {_origin(record)}"
        )
    return "\n\n".join(parts)


def sprites():
    record = results.read(ROOT / "benchmarks/results/beta_sprites.json")
    settings = record["settings"]
    factors = ("shape", "scale", "orientation", "x", "y")
    figures = {"kl_loss": ".2f", "reconstruction_loss": ".1f", "gap": ".3f"}
    figures |= {f"gap_{factor}": ".2f" for factor in factors}
    figures |= {"factor_vae": ".2f", "disentanglement": ".2f", "completeness": ".2f"}
    figures |= {"exact_total_correlation": ".2f", "active_units": ".1f"}
    with_error = ("gap", "reconstruction_loss")

    def cells(row):
        return [
            _with_error(row[key], form) if key in with_error else f"{row[key].mean():{form}}"
            for key, form in figures.items()
        ]

    titles = {"beta-TC": "β-TCVAE, β =", "beta": "β-VAE, β =", "Factor": "FactorVAE, γ ="}
    rows = {}
    for name, row in _over_seeds(record["results"]).items():
        kind, _, weight = name.rpartition(" ")
        rows[f"{titles[kind]} {weight}"] = cells(row)
    heads = ["KL", "reconstruction loss", "gap", *factors, "Factor-VAE score"]
    heads += ["disentanglement", "completeness", "total correlation", "active units"]
    return (
        f"{_table(['17,280 sprites', *heads], rows)}\n\n"
        f"Convolutions {settings['filters']}, {settings['latent_dim']} latents, "
        f"{settings['epochs']} epochs, {len(settings['seed'])} seeds; ± is the standard error. The "
        f"gap is of the {settings['codes']} of q(z\\|x), with {settings['bins']} bins of equal "
        "width; the columns after it are its parts, one a factor. The total correlation is that of "
        f"all examples, in nats. {_origin(record)}"
    )


def films():
    record = results.read(ROOT / "benchmarks/results/films.json")
    parts = []
    for kind, figures, title in (
        ("ratings: ", {"rmse": ".4f", "mae": ".4f"}, "ratings, mean of u1 to u5"),
        ("choices: ", {"ndcg": ".4f"}, "choices, mean of three splits"),
    ):
        of_kind = {
            key.removeprefix(kind): value
            for key, value in record["results"].items()
            if key.startswith(kind)
        }
        rows = {
            name: [f"{row[figure].mean():{form}}" for figure, form in figures.items()]
            + [f"{row['seconds'].mean():.0f}"]
            for name, row in _over_seeds(of_kind).items()
        }
        heads = {"rmse": "RMSE", "mae": "MAE", "ndcg": "NDCG at 10"}
        parts.append(_table([title, *(heads[name] for name in figures), "seconds"], rows))
    return "\n\n".join([*parts, _origin(record)])


IMAGES = {  # name: what the row is called, the Thesis's VAE over all pixels, with which pattern
    "mnist": ("MNIST", 0.168, "fifths"),
    "binarized_mnist": ("binarised MNIST", None, None),
    "omniglot_english": ("OMNIGLOT, English", 0.161, "half at random"),
    "omniglot_greek": ("OMNIGLOT, Greek", 0.163, "half at random"),
    "cifar10_grey": ("CIFAR-10, grey, a subset", None, None),
    "cifar10": ("CIFAR-10, a subset", None, None),
    "faces": ("The Database of Faces", None, None),
    "cropped_yale": ("Cropped Yale Faces, a subset", None, None),
}
MISSING = ("half at random", "lower half", "fifths", "square")


def _images():
    """{name: record} of the data sets of images that were measured."""
    path = ROOT / "benchmarks/results"
    paths = {name: path / f"missing_{name}.json" for name in IMAGES}
    return {name: results.read(path) for name, path in paths.items() if path.exists()}


def missing_in_images():
    records, rows, thesis = _images(), {}, {}
    for name, record in records.items():
        label, theirs, pattern = IMAGES[name]
        found = record["results"]
        ours = {way: each for way, each in found.items() if way.startswith("VAE")}
        classical = {way: each for way, each in found.items() if way not in ours}
        cells = []
        for each in MISSING:
            pair = []
            for ways in (ours, classical):
                best = min(ways, key=lambda way: ways[way][each]["rmse_missing"])
                pair.append((ways[best][each]["rmse_missing"], best))
            texts = [f"{error:.4f}, {best}" for error, best in pair]
            texts[pair[0] > pair[1]] = f"**{texts[pair[0] > pair[1]]}**"
            cells.append("<br>".join(texts))
        size = "{train:,} and {test:,}".format(**record["settings"])
        rows[f"{label} ({size})"] = cells
        if theirs:
            best = min(each[pattern]["rmse"] for each in ours.values())
            thesis[f"{label}, {pattern}"] = [f"{theirs:.3f}", f"{best:.3f}"]
    first = _table(["training and test images", *MISSING], rows)
    second = _table(["over all pixels", "the Thesis's VAE", "here"], thesis)
    return (
        f"{first}\n\nRMSE of the missing pixels: above the best way with a VAE, below it the best "
        f"classical way; bold marks the better one.\n\n{second}\n\n"
        f"{_origin(records['mnist'])}"
    )


def missing_in_images_by_way():
    """Markdown text with every way to fill, on every data set of images."""
    parts = [
        "# Missing values in images: every way\n",
        "Made by `python benchmarks/tables.py` from the JSON files beside it. RMSE of the missing "
        "pixels; in brackets RMSE and MAE over all pixels.",
    ]
    for name, record in _images().items():
        rows = {
            way: [
                *("{rmse_missing:.4f} ({rmse:.4f}; {mae:.4f})".format(**found[p]) for p in MISSING),
                f"{found['seconds']:.0f}",
                f"{max(found[p]['seconds'] for p in MISSING):.0f}",
            ]
            for way, found in record["results"].items()
        }
        head = ["", *MISSING, "seconds to fit", "seconds to fill, at most"]
        parts.append(f"\n## {IMAGES[name][0]}\n\n{_table(head, rows)}\n\n{_origin(record)}")
    return "\n".join(parts) + "\n"


class Tables:
    """Results of `missing_tables.py`: `errors[case, seed, way]`."""

    def __init__(self):
        self.record = results.read(ROOT / "benchmarks/results/missing_tables.json")
        found = self.record["results"]
        self.cases = sorted({key.rpartition("_")[0] for key in found})
        self.ways = list(next(iter(found.values())))
        of_seeds = collections.Counter(int(key.rpartition("_")[2]) for key in found)
        self.seeds = sorted(seed for seed, n in of_seeds.items() if n == len(self.cases))
        self.counted = f"{len(self.seeds)} seed{'s' * (len(self.seeds) != 1)}"
        self.errors = np.array(
            [
                [[found[f"{case}_{seed}"][way]["rmse"] for way in self.ways] for seed in self.seeds]
                for case in self.cases
            ]
        )


def missing_in_tables():
    data = Tables()
    ranks = stats.rankdata(data.errors, axis=2).mean(axis=(0, 1))
    means = data.errors.mean(axis=1)
    names = [case.rpartition(", ")[0] for case in data.cases]
    tables = list(dict.fromkeys(names))
    rows = {}
    for place in np.argsort(ranks):
        of_tables = [means[[name == table for name in names], place].mean() for table in tables]
        won = (means.argmin(axis=1) == place).sum()
        rows[data.ways[place]] = [f"{ranks[place]:.2f}", str(won), *(f"{e:.3f}" for e in of_tables)]
    vae = data.ways.index("VAEImputer")
    lost = [
        f"{case} ({mean[vae]:.3f}; {data.ways[mean.argmin()]} {mean.min():.3f})"
        for case, mean in zip(data.cases, means, strict=True)
        if mean.argmin() != vae
    ]
    return (
        f"{_table(['', 'mean rank', f'best in, of {len(means)}', *tables], rows)}\n\n"
        f"RMSE of the missing values, in standard deviations; the mean over {data.counted} and all "
        f"cases of a table. Not the best of all in: {'; '.join(lost) or 'no case'}. "
        f"{_origin(data.record)}"
    )


def missing_in_tables_by_case():
    """Markdown text with every case of `missing_tables.py`."""
    data = Tables()
    rows = {
        case: [f"{error:.3f}" for error in mean]
        for case, mean in zip(data.cases, data.errors.mean(axis=1), strict=True)
    }
    return (
        "# Missing values in tables: every case\n\nMade by `python benchmarks/tables.py` from the "
        f"JSON file beside it. The mean over {data.counted}. {_origin(data.record)}\n\n"
        f"{_table(['RMSE', *data.ways], rows)}\n"
    )


def twelve_networks():
    record = results.read(ROOT / "tutorials/results/07_twelve_networks_characters.json")
    found, settings = record["results"], record["settings"]
    rows = {}
    for place, name in enumerate(settings["variants"], start=1):
        cells = [
            f"{found[f'{place:02}_{key}']:.1f} ± {found[f'{place:02}_{key}_error']:.1f}"
            for key in ("elbo", "log_p")
        ]
        for key, form in (("train_elbo", ".1f"), ("active_units", ".1f"), ("seconds", ".0f")):
            cells.append(f"{found[f'{place:02}_{key}']:{form}}")
        rows[name] = cells
    heads = ["", "ELBO, test", "log p(x)", "ELBO, training", "active units", "seconds"]
    return (
        f"{_table(heads, rows)}\n\nPackaged digits, {settings['epochs']} epochs, means over "
        f"{settings['seeds']} seeds in nats; ± is the standard error; log p(x) with "
        f"{settings['num_samples']} samples. {_origin(record)}"
    )


class Anomalies:
    """Results of `anomaly_detection.py` on images, by protocol, score and the odd class."""

    def __init__(self, name):
        path = ROOT / "benchmarks/results/anomaly_detection_{}.json"
        self.record = results.read(str(path).format(name))
        self.tested = self.record["results"]["tested"]
        self.seeds = [  # only those that a run has finished, if it was ended early
            seed
            for seed in self.record["settings"]["seed"]
            if sum(key.endswith(f"_{seed}") for key in self.tested) == 20
        ]
        self.chosen_on = results.read(str(path).format("mnist"))["results"]["chosen_on"]

    def scores(self, protocol):
        return list(self.tested[f"{protocol}_0_0"])

    def by_kind(self, protocol, score, figure="auroc"):
        """An array `(seeds, 10)`; a score without randomness was measured with one seed only."""
        seeds = [seed for seed in self.seeds if score in self.tested[f"{protocol}_0_{seed}"]]
        keys = [[f"{protocol}_{kind}_{seed}" for kind in range(10)] for seed in seeds]
        return np.array([[self.tested[key][score][figure] for key in row] for row in keys])

    def chosen(self, protocol):
        """The best score on MNIST's stand-ins: one without labels, and one with labels."""
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
    columns = {  # data set, protocol, and what the column shows of the figures `(seeds, 10)`
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
        f"MNIST: {seeds} seeds, with the 95 % interval of the mean. Fashion-MNIST: {others} "
        f"seed{'s' * (others != 1)}. Scores without randomness were measured once. Bold marks, for "
        "each protocol, the score selected on stand-ins (MNIST's 0, 4 and 7, on a part of the "
        "training set), without labels and with labels. "
        f"{_origin(mnist.record)}"
    )


def anomalies_by_kind(name):
    """Markdown text with every score, for every class as the odd one."""
    data = Anomalies(name)
    parts = [
        f"# {name}: every score, every class as the odd one\n",
        "Made by `python benchmarks/tables.py` from the JSON file beside it. "
        f"{len(data.seeds)} seed{'s' * (len(data.seeds) != 1)}, with the 95 % interval of the mean "
        f"if there are several. Bold marks the score selected on stand-ins. {_origin(data.record)}",
    ]
    for protocol, title in (("nine", "nine classes normal"), ("one", "one class normal")):
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
        "scikit-learn's tables. Each class in turn is normal, and half of it is the training set. "
        f"The mean over classes and {seeds} seeds; bold marks the best. {_origin(record)}"
    )


def _label(score):
    criteria = anomaly_detection.SCORES | anomaly_detection.CLASS_SCORES
    return f"`{score}`" if score in criteria else score.replace("_", " ")


def _least(found):
    """The figures of the class with the lowest mean."""
    return found[:, found.mean(axis=0).argmin()]


def _with_interval(values):
    """The mean over seeds, and half the width of its 95 % interval (Student's t)."""
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
    "beta": beta,
    "conditional": conditional,
    "denoising": denoising,
    "endurance": endurance,
    "films": films,
    "likelihood": likelihood,
    "missing_in_images": missing_in_images,
    "missing_in_tables": missing_in_tables,
    "mnist": mnist,
    "models": models,
    "pretrained": pretrained_models,
    "speed": speed,
    "sprites": sprites,
    "twelve_networks": twelve_networks,
}
TEXTS = {  # the files in benchmarks/results
    "anomaly_detection_fashion_mnist": lambda: anomalies_by_kind("fashion_mnist"),
    "anomaly_detection_mnist": lambda: anomalies_by_kind("mnist"),
    "missing_images": missing_in_images_by_way,
    "missing_tables": missing_in_tables_by_case,
}


def renewed(page):
    """The text of a page with every table made anew from the JSON files."""

    def table(match):
        name = match[1]
        return f"<!-- table: {name} -->\n{TABLES[name]()}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", table, page, flags=re.DOTALL)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(renewed(path.read_text()))
    for name, text in TEXTS.items():
        (ROOT / f"benchmarks/results/{name}.md").write_text(text())
