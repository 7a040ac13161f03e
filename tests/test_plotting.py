"""Figures show their data: the tests compare pixels, not only types."""

from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from keras_vae import plotting

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def images():
    """Drawings: their border is 0."""
    inside = np.random.default_rng(0).random((7, 2, 3, 1))
    return np.pad(inside, [(0, 0), (1, 1), (1, 1), (0, 0)])


def shown(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def test_image_grid_places_images_row_by_row(images):
    picture = shown(plotting.image_grid(images, columns=3))
    assert picture.shape == (3 * (4 + 1), 3 * (5 + 1))  # a gap of one pixel
    np.testing.assert_array_equal(picture[5:9, 6:11], images[4, ..., 0])
    assert np.all(picture[10:, 6:] == 0)  # empty places
    assert np.all(picture[4::5] == 0)
    assert np.all(picture[:, 5::6] == 0)


def test_names_are_centred_on_rows_and_columns(images):
    figure = plotting.image_grid(images, 3, row_names="abc", column_names=["x", "y", "z"])
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
    np.testing.assert_allclose(axes.get_yticks(), [1.5, 6.5, 11.5])
    np.testing.assert_allclose(axes.get_xticks(), [2, 8, 14])
    with pytest.raises(ValueError, match="row_names has 4 names for 3 rows"):
        plotting.image_grid(images, 3, row_names="abcd")


@pytest.mark.parametrize("rows", [1, 3, 5, 9])
def test_long_names_of_rows_are_within_the_figure(rows):
    names = ["VAE, trained on clean images: one pass"] * rows
    figure = plotting.image_grid(np.zeros((10 * rows, 28, 28)), 10, row_names=names)
    figure.canvas.draw()
    labels = figure.axes[0].get_yticklabels()
    assert min(label.get_window_extent().x0 for label in labels) > 0


def test_image_grid_takes_colour_and_images_without_channels(images):
    assert shown(plotting.image_grid(np.zeros((2, 4, 5, 3)), columns=2)).shape == (5, 12, 3)
    np.testing.assert_array_equal(
        shown(plotting.image_grid(images[..., 0])), shown(plotting.image_grid(images))
    )


def colours(figure):
    return figure.axes[0].images[0].get_cmap().name


def test_drawings_are_ink_on_paper_and_photographs_stay_as_they_are(images):
    photographs = 0.2 + 0.8 * np.random.default_rng(0).random((7, 4, 5, 1))
    for plot in (
        plotting.image_grid,
        lambda x, **cmap: plotting.reconstructions(x, 1 - x, **cmap),
        lambda x, **cmap: plotting.manifold(lambda z: x[:1].repeat(len(z), 0), 3, **cmap),
    ):
        assert colours(plot(images)) == "gray_r"
        assert colours(plot(photographs)) == "gray"
        assert colours(plot(photographs, cmap="viridis")) == "viridis"
    picture = shown(plotting.image_grid(photographs, columns=3))
    np.testing.assert_array_equal(picture[:4, :5], photographs[0, ..., 0])
    assert np.all(picture[4::5] == 1)  # the gaps are white


def test_the_lines_of_a_grid_of_signals_are_in_their_cells():
    time = np.linspace(0, 7, 50)
    signals = np.stack([np.sin(time + k) for k in range(6)])[..., None] * [1, 0.5]
    figure = plotting.signal_grid(signals, 3, row_names="ab", column_names="xyz", title="t")
    (axes,) = figure.axes
    assert len(axes.lines) == 2  # channels
    for line, channel in zip(axes.lines, (0, 1), strict=True):
        x, y = (np.reshape(values, (6, 51)) for values in line.get_data())
        assert np.isnan(x[:, -1]).all()
        for i in range(6):
            column, row = i % 3, i // 3
            assert column < x[i, 0] < x[i, -2] < column + 1
            assert 1 - row < y[i, :-1].min() < y[i, :-1].max() < 2 - row
            correlation = np.corrcoef(y[i, :-1], signals[i, :, channel])[0, 1]
            assert correlation == pytest.approx(1)
    assert axes.get_yticks().tolist() == [1.5, 0.5]
    with pytest.raises(ValueError, match=r"expected \(n, length, channels\)"):
        plotting.signal_grid(signals[..., 0])
    with pytest.raises(ValueError, match="row_names has 3 names for 2 rows"):
        plotting.signal_grid(signals, 3, row_names="abc")


def test_a_figure_as_a_picture_has_its_colours():
    figure = plt.figure(figsize=(1, 2), dpi=50, facecolor="#ff8000")
    picture = plotting.as_picture(figure)
    assert picture.shape == (100, 50, 3)
    np.testing.assert_allclose(picture[0, 0], [1, 128 / 255, 0])


def test_reconstructions_are_below_their_originals(images):
    picture = shown(plotting.reconstructions(images, 1 - images, n=3))
    np.testing.assert_array_equal(picture[:4, :5], images[0, ..., 0])
    np.testing.assert_array_equal(picture[5:9, 12:17], 1 - images[2, ..., 0])
    rows = plotting.reconstructions(images, {"a": images, "b": images})
    assert [label.get_text() for label in rows.axes[0].get_yticklabels()] == ["original", "a", "b"]


def test_manifold_decodes_once_with_z1_to_the_right_and_z2_upwards():
    calls = []

    def decode(z):
        calls.append(z)
        return z.sum(axis=1).reshape(-1, 1, 1, 1)

    picture = shown(plotting.manifold(decode, n=5, low=-1, high=1))
    assert len(calls) == 1
    assert calls[0].min() == -1
    assert calls[0].max() == 1
    assert picture[0, 8] == 2  # top right: z = (1, 1)
    assert picture[8, 8] == 0  # bottom right: z = (1, -1)


def test_manifold_over_quantiles_gives_each_image_an_equal_share_of_the_prior():
    points = []

    def decode(z):
        points.append(z)
        return np.zeros((len(z), 1, 1, 1))

    plotting.manifold(decode, n=4, quantiles=True)
    import scipy.stats

    shares = scipy.stats.norm.cdf(np.unique(points[0][:, 0]))
    np.testing.assert_allclose(shares, [0.125, 0.375, 0.625, 0.875], atol=1e-6)


def test_latent_scatter_shows_every_point_in_every_panel():
    z, labels = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 10
    figure = plotting.latent_scatter({"few": z, "many": 2 * z}, labels)
    assert [axes.get_title() for axes in figure.axes] == ["few", "many"]
    for axes in figure.axes:
        assert sum(len(points.get_offsets()) for points in axes.collections) == 50


def test_panels_of_latents_fill_the_requested_columns():
    panels = {name: np.zeros((3, 2)) for name in "abcde"}
    figure = plotting.latent_scatter(panels, [0, 1, 2], columns=3)
    assert [axes.get_title() for axes in figure.axes] == list("abcde")
    assert figure.axes[0].get_gridspec().nrows == 2


def test_history_draws_training_and_validation():
    figure = plotting.history({"loss": [3, 2, 1], "val_loss": [4, 3, 2], "elbo": [-3, -2, -1]})
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), [4, 3, 2])


def test_history_labels_losses_in_nats_and_other_values_without_a_unit():
    logs = {"beta": [0, 0.5, 1], "elbo": [-3, -2, -1], "kl_loss": [1, 2, 3]}
    logs |= {f"val_{name}": logs[name] for name in ("elbo", "kl_loss")}
    figure = plotting.history({**logs, "learning_rate": [1e-3] * 3})
    labels = {axes.get_title(): axes.get_ylabel() for axes in figure.axes}
    nats = dict.fromkeys(["elbo", "kl loss"], "nats per example")
    assert labels == {"beta": "beta", "learning rate": "learning rate", **nats}
    (legend,) = (axes.get_legend() for axes in figure.axes if axes.get_legend())
    assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]


def test_manifold_refuses_a_model_and_asks_for_its_decode():
    model = SimpleNamespace(decode=lambda z: z)
    with pytest.raises(TypeError, match=r"is a SimpleNamespace; .* pass vae\.decode"):
        plotting.manifold(model)


def test_an_array_that_is_not_an_image_is_refused():
    with pytest.raises(ValueError, match="images have shape"):
        plotting.image_grid(np.zeros((3, 64)))
    with pytest.raises(ValueError, match="values up to 255"):
        plotting.image_grid(np.full((3, 8, 8), 255, "uint8"))
    with pytest.raises(ValueError, match=r"expected \(n, 2\)"):
        plotting.latent_scatter(np.zeros((3, 5)), np.zeros(3))


def test_the_prior_is_drawn_as_circles_of_one_and_two_deviations():
    figure = plotting.latent_scatter(np.zeros((3, 2)), np.zeros(3), prior=True)
    assert [patch.radius for patch in figure.axes[0].patches] == [1, 2]


def test_rows_of_unequal_length_are_refused():
    x = np.zeros((5, 8, 8, 1))
    with pytest.raises(ValueError, match="expected the same number"):
        plotting.reconstructions(x, {"few": x[:3]}, n=4)


def graph_of(*edges):
    """A graph from lines such as "loss/kl/Sum: encoder/dense/MatMul, loss/kl/axes"."""
    nodes = []
    for edge in edges:
        name, _, sources = edge.partition(": ")
        op = {"x": "Placeholder", "axes": "Const"}.get(name.split("/")[-1], "Op")
        nodes.append(
            SimpleNamespace(name=name, op=op, input=sources.split(", ") if sources else [])
        )
    return SimpleNamespace(node=nodes)


CHAIN = graph_of(
    "input/x",
    "encoder/first/MatMul: input/x",
    "encoder/cast: encoder/first/MatMul:0",
    "encoder/mean/MatMul: encoder/cast",
    "encoder/log_var/MatMul: encoder/cast",
    "loss/kl/axes",
    "loss/kl/Sum: encoder/mean/MatMul, encoder/log_var/MatMul, ^loss/kl/axes",
    "loss/reconstruction/Sum: input/x, encoder/mean/MatMul",
    "loss/add: loss/kl/Sum, loss/reconstruction/Sum",
    "backward/loss/Mul: loss/add",
)


def test_model_graph_reads_from_bottom_to_top():
    figure = plotting.model_graph(CHAIN, title="a chain")
    (axes,) = figure.axes
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts if text.get_text()}
    parts = ["input", "encoder", "loss", "backward"]
    assert sorted(parts, key=heights.get) == parts
    inside = ["x", "first", "mean", "log_var", "kl", "reconstruction"]
    assert set(heights) == {*parts, *inside}  # "loss" within backward has the name of the part
    assert heights["first"] < heights["mean"] == heights["log_var"] < heights["kl"]
    assert heights["kl"] == heights["reconstruction"]
    arrows = [text for text in axes.texts if not text.get_text()]
    assert len(arrows) == 4  # input to encoder and to loss, encoder to loss, loss to backward


def test_an_order_without_data_is_dashed():
    chain = graph_of("a/x", "b/y: a/x", "c/z: ^b/y", "d/w: c/z, ^b/y", "e/v: ^d/w, d/w")
    (axes,) = plotting.model_graph(chain).axes
    arrows = [text.arrow_patch for text in axes.texts if getattr(text, "arrow_patch", None)]
    styles = [arrow.get_linestyle() for arrow in arrows]
    assert sorted(styles) == ["-", "-", "-", "--", "--"]


def test_boxes_of_a_model_graph_are_nested_or_apart():
    (axes,) = plotting.model_graph(CHAIN).axes
    boxes = [patch.get_path().get_extents() for patch in axes.patches]
    boxes = [box for box in boxes if box.width > 0.5]
    assert len(boxes) == 4 + 7
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            over = min(a.x1, b.x1) > max(a.x0, b.x0) and min(a.y1, b.y1) > max(a.y0, b.y0)
            inside = b.x0 < a.x0 and a.x1 < b.x1 and b.y0 < a.y0 and a.y1 < b.y1
            around = a.x0 < b.x0 and b.x1 < a.x1 and a.y0 < b.y0 and b.y1 < a.y1
            assert not over or inside or around


def test_model_graph_refuses_an_empty_graph():
    with pytest.raises(ValueError, match=r"tidy_graph\(model\)"):
        plotting.model_graph(graph_of())


def test_tiles_without_a_gap_are_the_images(images):
    picture = plotting.tiled(images[:6], columns=3, gap=0)
    assert picture.shape == (8, 15, 1)
    np.testing.assert_array_equal(picture[4:, 10:], images[5])


def test_the_grid_of_latents_holds_equal_shares_of_the_prior():
    stats = pytest.importorskip("scipy.stats")
    points = plotting.prior_quantiles(4)
    np.testing.assert_allclose(stats.norm.cdf(points), [0.125, 0.375, 0.625, 0.875], atol=1e-6)
    grid = plotting.latent_grid(points)
    assert grid.shape == (16, 2)
    np.testing.assert_array_equal(grid[0], [points[0], points[-1]])  # above, on the left


def test_a_matrix_shows_its_values_and_names():
    values = np.array([[0.0, 1.0, 0.25], [0.5, 0.1, 0.9]])
    figure = plotting.matrix(values, ["$z_1$", "$z_2$"], ["x", "y", "shape"], title="information")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    texts = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    assert texts == {(c, r): f"{values[r, c]:.2f}" for r in range(2) for c in range(3)}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "shape"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$z_1$", "$z_2$"]
    assert axes.get_title() == "information"
    assert not plotting.matrix(values, format="").axes[0].texts
    # A dark cell has light text.
    assert {text.get_text(): text.get_color() for text in axes.texts}["1.00"] == "white"


def test_rate_and_distortion_are_points_with_names_and_lines_of_one_elbo():
    rates, distortions = {"β-VAE": [3.0, 1.0]}, {"β-VAE": [10.0, 14.0]}
    figure = plotting.rate_distortion(rates, distortions, {"β-VAE": ["β = 1", "β = 4"]})
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 14], [3, 10]])
    places = {text.get_text(): text.xy for text in axes.texts}
    assert places == {"β = 1": (3, 10), "β = 4": (1, 14)}
    for line in axes.lines[1:]:
        (x0, y0), (x1, y1) = line.get_xydata()
        assert x0 + y0 == pytest.approx(x1 + y1)
    assert "nats" in axes.get_xlabel()
    assert "nats" in axes.get_ylabel()
    assert axes.get_legend().get_texts()[0].get_text() == "β-VAE"
    assert plotting.rate_distortion([1.0], [2.0]).axes[0].get_legend() is None


def test_curves_and_matrices_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r"values has shape \(3,\)"):
        plotting.matrix(np.zeros(3))
    with pytest.raises(ValueError, match="row_names has 1 names for 2 rows"):
        plotting.matrix(np.zeros((2, 2)), ["a"])
    with pytest.raises(ValueError, match="differ in their keys"):
        plotting.rate_distortion([1.0], [1.0, 2.0])
