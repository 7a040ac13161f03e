"""The page itself, in gradio: controls, and what follows when one of them moves."""

import base64
import io
import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads both when it is imported
os.environ["HF_HUB_OFFLINE"] = "1"

try:
    import gradio as gr
except ImportError as error:
    raise ImportError('The page needs gradio; run pip install -e ".[page]".') from error
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SLIDERS = 6  # at most; the other latents keep their values
LETTERS = 60  # at most, in a text
TEXT = "THE QUICK BROWN FOX 123"
READ_IT = "let the model read it"
UPLOAD = {"sources": ["upload", "clipboard"], "format": "png"}
LIVE = {"show_progress": "hidden", "trigger_mode": "always_last"}  # only the latest event counts
# Fonts of the machine; gradio's own would be asked of another host.
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])

# A sheet to draw on. Each stroke becomes the value, a PNG within a text; no file is written.
CANVAS = """<div>Draw:</div><canvas width="280" height="280" aria-label="a sheet to draw on"
style="border:1px solid #bbb;background:white;touch-action:none;cursor:crosshair"></canvas>
<div><button style="text-decoration:underline">clear</button></div>"""
DRAWING = """
const sheet = element.querySelector("canvas"), pen = sheet.getContext("2d");
const clear = () => { pen.fillStyle = "white"; pen.fillRect(0, 0, sheet.width, sheet.height); };
const send = () => { props.value = sheet.toDataURL("image/png"); };
let down = false;
clear();
Object.assign(pen, {lineWidth: 18, lineCap: "round", lineJoin: "round"});
sheet.addEventListener("pointerdown", (event) => {
    down = true; sheet.setPointerCapture(event.pointerId);
    pen.beginPath(); pen.moveTo(event.offsetX, event.offsetY);
});
sheet.addEventListener("pointermove", (event) => {
    if (down) { pen.lineTo(event.offsetX, event.offsetY); pen.stroke(); }
});
sheet.addEventListener("pointerup", () => { down = false; send(); });
element.querySelector("button").addEventListener("click", () => { clear(); send(); });
"""


def build(explorer):
    """The page of an `Explorer`, a `gradio.Blocks` that is not yet launched."""
    with gr.Blocks(title="keras_vae", delete_cache=(600, 600), analytics_enabled=False) as page:
        gr.Markdown(
            f"## {type(explorer.model).__name__} with {len(explorer.start)} latents\n"
            "Each slider is a latent and runs from the 1 % to the 99 % quantile of the prior. The "
            "first one changes the picture most."
        )
        hand = _Hand(explorer)
        with gr.Tab("Draws"):
            _draws(explorer, hand)
        if explorer.cmap:
            with gr.Tab("Your image"):
                _image(explorer, hand)
            with gr.Tab("A path between two images"):
                _path(explorer, hand)
        page.load(hand.show, hand.inputs, hand.outputs, **LIVE)
    return page


def _upload(**keywords):
    """Gradio's image, but any picture that Pillow can read becomes RGBA, and no other file."""

    def read(upload):
        if upload is None:
            return None
        try:
            with Image.open(upload.path) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
        except (UnidentifiedImageError, OSError) as error:
            raise gr.Error(
                "This file is no picture that can be read. Try a PNG or JPEG."
            ) from error

    image = gr.Image(**keywords)
    image.preprocess = read  # a subclass would make gradio write a file beside this one
    return image


class _Hand:
    """Sliders, class and text; and the pictures that follow them."""

    def __init__(self, explorer):
        self.explorer = explorer
        ends = (explorer.low, explorer.start, explorer.high)
        self.low, self.start, self.high = (np.asarray(end, float).round(2) for end in ends)
        self.z = gr.State(self.start)  # also the latents without a slider
        order = explorer.order[:SLIDERS]
        with gr.Row():
            with gr.Column():
                self.sliders = [
                    gr.Slider(
                        float(self.low[latent]),
                        float(self.high[latent]),
                        value=float(self.start[latent]),
                        step=0.01,
                        label=f"x{place} (latent {latent + 1})",
                        buttons=[],
                    )
                    for place, latent in enumerate(order, start=1)
                ]
                with gr.Row():
                    draw, middle = gr.Button("draw from the prior"), gr.Button("to the middle")
            with gr.Column():
                self.label = gr.Dropdown(
                    list(zip(explorer.classes or ["-"], range(explorer.labels or 1), strict=True)),
                    value=min(10, (explorer.labels or 1) - 1),
                    label="class",
                    visible=explorer.labels is not None,
                )
                self.one = gr.HTML(elem_id="one")
        self.text = gr.Textbox(
            TEXT if explorer.writes else "",
            label="a text, which the model writes in this hand",
            max_length=LETTERS,
            visible=explorer.writes,
            elem_id="text",
        )
        self.written = gr.HTML(elem_id="written")
        self.inputs = [self.z, self.label, self.text, *self.sliders]
        self.outputs = [self.one, self.written]
        controls = [control.change for control in (self.label, self.text, *self.sliders)]
        gr.on(controls, self.show, self.inputs, self.outputs, **LIVE)
        seed, moved = gr.State(0), [self.z, *self.sliders]
        draw.click(self.drawn, [self.label, seed], [seed, *moved])
        middle.click(lambda: self.at(self.start), None, moved)

    def show(self, z, label, text, *values):
        """Both pictures, as HTML."""
        z = self.latents(z, values)
        one = self.explorer.picture(self.explorer.decode(z[None], label), size=280)
        if not (self.explorer.writes and text):
            return one, ""
        # A part of the width for each character: a line on a wide page, and smaller on a telephone.
        written = self.explorer.text(text[:LETTERS], z)
        return one, self.explorer.picture(written, min(len(written), 24), size=48)

    def latents(self, z, values):
        """z with the values of the sliders in it."""
        z = np.array(z, "float32")
        z[self.explorer.order[: len(values)]] = values
        return z

    def at(self, z):
        """New values of z and of the sliders, within their ranges."""
        z = np.clip(z, self.low, self.high)
        return [z, *(round(float(z[latent]), 2) for latent in self.explorer.order[:SLIDERS])]

    def drawn(self, label, seed):
        return [seed + 1, *self.at(self.explorer.draw(1, seed, label)[0])]


def _draws(explorer, hand):
    """Many draws from the prior, for the class or for all classes in turn."""
    seed = gr.State(0)
    with gr.Row():
        again = gr.Button("24 draws")
        every = gr.Checkbox(False, label="all classes", visible=explorer.labels is not None)
    shown = gr.HTML(elem_id="draws")

    def draw(seed, label, every):
        labels = np.arange(24) % explorer.labels if every else label
        z = explorer.draw(24, seed, None if every else label)
        return seed + 1, explorer.picture(explorer.decode(z, labels), 12, size=64)

    again.click(draw, [seed, hand.label, every], [seed, shown], **LIVE)


def _image(explorer, hand):
    """An image of the user's, its reconstruction and its neighbours; the sliders follow it."""
    with gr.Row():
        with gr.Column():
            canvas = gr.HTML("", html_template=CANVAS, js_on_load=DRAWING, elem_id="canvas")
            upload = _upload(label="or upload", **UPLOAD)
        with gr.Column():
            label = gr.Dropdown(
                [READ_IT, *(explorer.classes or [])],
                value=READ_IT,
                label="what it is",
                visible=explorer.labels is not None,
            )
            shown = gr.HTML(elem_id="encoded")

    def encode(picture, label, shown_class, z, *values):
        picture = _pixels(picture) if isinstance(picture, str) else picture
        example = None if picture is None else explorer.example(picture)
        if example is None:
            blank = "The picture is blank on white paper. "
            say = f"{'' if picture is None else blank}Draw something, or upload a picture."
            return [say, shown_class, z, *values]
        sentence, place = "", None
        if explorer.labels is not None:
            place = explorer.classes.index(label) if label != READ_IT else shown_class
        likely = explorer.read(example)
        if likely is not None and label == READ_IT:
            best = [int(guess) for guess in np.argsort(-likely)[:3]]
            place = best[0]
            guesses = (f"{explorer.classes[c]} ({likely[c]:.0%})" for c in best)
            sentence = f"<p>The model reads: {', '.join(guesses)}.</p>"
        if explorer.is_unusual(example, place):
            sentence += (
                "<p>It is less likely than 99 % of the data: the model has seen nothing like it, "
                "and can only choose among what it knows.</p>"
            )
        z = explorer.encode(example, place)
        pair = np.stack([example, explorer.decode(z[None], place or 0)[0]])
        blocks = [sentence, "<p>What the model sees, and its reconstruction:</p>"]
        blocks.append(explorer.picture(pair))
        if explorer.z is not None:
            blocks.append("<p>The nearest examples in latent space:</p>")
            blocks.append(explorer.picture(explorer.x[explorer.neighbours(z)], size=48))
        return ["".join(blocks), place or 0, *hand.at(z)]

    moved = [hand.label, hand.z, *hand.sliders]
    for source in (canvas, upload):
        source.change(encode, [source, label, *moved], [shown, *moved], **LIVE)
    label.input(encode, [canvas, label, *moved], [shown, *moved], **LIVE)


def _path(explorer, hand):
    """Two images, and the straight path between their latents."""
    with gr.Row():
        ends = [_upload(label=name, height=240, **UPLOAD) for name in ("first", "second")]
    other = gr.Button("two of the data", visible=explorer.x is not None)
    shown = gr.HTML(elem_id="path")
    seed = gr.State(0)

    def path(shown_class, *ends):
        if any(end is None for end in ends):
            return "Give two images."
        first, second = (explorer.example(end) for end in ends)
        if first is None or second is None:
            return "One of the images is empty."
        read = [explorer.read(end) for end in (first, second)]
        labels = [shown_class if likely is None else int(likely.argmax()) for likely in read]
        return explorer.picture(explorer.path(first, second, labels), 9, size=80)

    def two(seed):
        places = np.random.default_rng(seed).choice(len(explorer.x), 2, replace=False)
        return [seed + 1, *(explorer.pixels(explorer.x[place][None], scale=8) for place in places)]

    for end in ends:
        end.change(path, [hand.label, *ends], shown, **LIVE)
    if explorer.x is not None:
        other.click(two, seed, [seed, *ends])


def _pixels(url):
    """The uint8 array of a PNG within a text; None of an empty one."""
    content = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) if content else None
