"""A page to play with a trained model: sliders, a text, your drawing, paths (lecture row A9).

    python -m keras_vae.page                      # digits and letters, as Introduction, figure 4
    python -m keras_vae.page conv_mnist           # a pretrained model
    python -m keras_vae.page vae.keras            # your own

It needs gradio: `pip install -e ".[page]"`. The page answers this machine alone and sends nothing
to others. Uploaded pictures are removed when it ends.
"""

import os
import tempfile

from keras_vae.page.explorer import Explorer

__all__ = ["Explorer", "launch"]


def launch(model, x=None, y=None, classes=None, port=None, block=True):
    """Open the page of a model on this machine, and print its address.

    Args:
        model, x, y, classes: as in `Explorer`.
        port: int. Defaults to `None`, the first free one from 7860.
        block: bool. Wait until Ctrl+C. Otherwise return the gradio app at once; `close()` ends it.
            Defaults to `True`.

    Raises:
        ValueError: as `Explorer` does.
        ImportError: gradio is not installed.
    """
    from keras_vae.page import blocks  # gradio is needed only here

    explorer = Explorer(model, x, y, classes)
    uploads = tempfile.TemporaryDirectory(prefix="keras_vae_page_")
    os.environ["GRADIO_TEMP_DIR"] = uploads.name
    for name in ("no_proxy", "NO_PROXY"):  # no proxy stands between the page and its own machine
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))
    page = blocks.build(explorer)
    page.uploads = uploads  # removed with the app, or when Python ends
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        quiet=True,
        footer_links=[],
        prevent_thread_lock=True,
        theme=blocks.THEME,
    )
    print(f"The page is at {page.local_url} (Ctrl+C ends it).", flush=True)
    if block:
        page.block_thread()
    return page
