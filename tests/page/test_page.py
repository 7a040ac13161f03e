"""The page in a browser: a text, a slider, a drawing; and nothing leaves the machine."""

import glob
import importlib.util
import os
import pathlib
import socket
import tempfile
import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytestmark = pytest.mark.slow

_PATH = pathlib.Path(__file__).parents[2] / "tutorials" / "screenshots.py"
_SPEC = importlib.util.spec_from_file_location("screenshots", _PATH)
screenshots = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(screenshots)

SEVEN = [(0.3, 0.2), (0.7, 0.2), (0.45, 0.8)]

needs_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason='needs pip install -e ".[page]"'
)
in_a_browser = pytest.mark.skipif(
    screenshots.CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason='needs Chromium (Debian: apt install chromium) and pip install -e ".[browser]"',
)


@pytest.fixture
def proxy():
    """The address of a proxy that refuses all, and the list of what it was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []

        def listen():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                asked.append(connection.recv(200))
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked


@needs_gradio
@in_a_browser
def test_sliders_text_and_drawing_change_the_pictures_and_nothing_leaves(proxy, tmp_path):
    address, asked_of_proxy = proxy
    proxies = dict.fromkeys(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"], address)
    proxies.update(no_proxy="", NO_PROXY="", TMPDIR=str(tmp_path))
    errors = []
    with screenshots.served(["keras_vae.page"], **proxies) as url:
        with screenshots.browser(1000, 1180) as (page, asked):
            page.on("pageerror", lambda error: errors.append(str(error)))
            screenshots.open_page(page, url)
            screenshots.changed(page, "written", lambda: screenshots.write(page, "KERAS"))
            slider = page.locator("input[type=range]").first
            box = slider.bounding_box()
            far = (box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
            screenshots.changed(page, "one", lambda: page.mouse.click(*far))
            screenshots.changed(
                page, "one", lambda: page.get_by_role("button", name="draw from the prior").click()
            )
            screenshots.changed(page, "encoded", lambda: screenshots.draw(page, *SEVEN))
            assert "The model reads: " in page.locator("#encoded").inner_text()
            assert page.locator("#encoded img").count() == 2  # the pair, and the neighbours
            page.get_by_role("tab", name="A path").click()
            button = page.get_by_role("button", name="two of the data")
            screenshots.changed(page, "path", button.click)
            page.get_by_role("tab", name="Draws").click()
            button = page.get_by_role("button", name="24 draws")
            screenshots.changed(page, "draws", button.click)
        foreign = [one for one in asked if not one.startswith((url, "data:", "blob:", "about:"))]
        assert foreign == []
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(ConnectionRefusedError):  # another loopback address of this machine
            socket.create_connection(("127.0.0.2", port), timeout=2)
    assert asked_of_proxy == []
    assert errors == []
    assert not glob.glob(os.path.join(tmp_path, "keras_vae_page_*"))  # no upload is left


@needs_gradio
def test_an_upload_of_any_kind_is_one_picture_and_other_files_are_refused(tmp_path):
    """A GIF has a palette; gradio itself would give the places in it."""
    import gradio as gr
    from gradio.data_classes import ImageData

    from keras_vae.page.blocks import _upload

    seven = Image.new("L", (60, 60), 255)
    ImageDraw.Draw(seven).line([(18, 12), (42, 12), (27, 48)], fill=0, width=6)
    upload, found = _upload(), []
    for name, mode in (("a.png", "L"), ("a.gif", "P"), ("b.png", "I;16"), ("c.png", "RGBA")):
        picture = seven.point(lambda v: 257 * v, "I").convert("I;16") if mode == "I;16" else seven
        picture.convert(mode).save(tmp_path / name)
        found.append(upload.preprocess(ImageData(path=str(tmp_path / name))))
        assert found[-1].shape == (60, 60, 4)
    for other in found[1:]:
        assert np.abs(other[..., :3].astype(int) - found[0][..., :3]).mean() < 2
    assert upload.preprocess(None) is None
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(gr.Error, match="no picture that can be read"):
        upload.preprocess(ImageData(path=str(tmp_path / "text.png")))


@needs_gradio
def test_another_model_has_its_sliders(tmp_path):
    import keras_vae
    from keras_vae import networks, page

    model = keras_vae.VAE(*networks.conv1d((16, 2), 7, likelihood="gaussian"), "gaussian")
    app = page.launch(model, block=False)
    try:
        labels = [block.label for block in app.blocks.values() if type(block).__name__ == "Slider"]
        assert [label.split()[0] for label in labels] == ["x1", "x2", "x3", "x4", "x5", "x6"]
        folder = app.uploads.name
    finally:
        app.close()
    assert tempfile.gettempdir() in folder
