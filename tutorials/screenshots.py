"""Make the README's screenshots: TensorBoard with the logs of tutorial 02, and the page of sliders.

    python tutorials/02_tensorboard.py
    python tutorials/screenshots.py          # needs chromium, and pip install -e ".[browser,page]"

The script starts both on a free port of the loopback address and opens them in a headless Chromium.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

FIGURES = pathlib.Path(__file__).parent / "figures"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
_FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
_PARTS = """() => {
    const found = {};
    const walk = (root, group) => {
        for (const element of root.children) {
            const names = element.getAttribute('class') || '';
            const own = /(^| )(core|in-extract|out-extract)( |$)/.test(names) ? names : group;
            if (element.matches('g.node')) found[element.getAttribute('data-name')] ??= own;
            if (element.shadowRoot) walk(element.shadowRoot, own);
            walk(element, own);
        }
    };
    walk(document, '');
    return found;
}"""


@contextlib.contextmanager
def tensorboard(logs, *flags, path=""):
    """Run TensorBoard on a folder of logs for the length of the context; yields its address."""
    command = ["tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1"]
    command += ["--reload_interval", "1", "--load_fast", "false", *flags]
    with served(command, f"{path}/data/runs") as url:
        yield url + path


@contextlib.contextmanager
def served(command, answers="/", seconds=90, **environment):
    """Run a module that serves pages, `command` and `--port`; yields its address once it answers.

    Args:
        command: list of str. The module and its arguments.
        answers: str. The path that is asked for until it answers. Defaults to `"/"`.
        seconds: float. How long to wait. Defaults to `90`.
        environment: further variables of the environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                urllib.request.urlopen(url + answers, timeout=5).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{command[0]} does not answer.") from None
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def browser(width=1500, height=1000):
    """Yield a page of a headless Chromium and the list of addresses that it requests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=_FLAGS,
            viewport={"width": width, "height": height},
        )
        try:
            page, asked = context.pages[0], []
            page.on("request", lambda request: asked.append(request.url))
            yield page, asked
        finally:
            context.close()


def open_graph(page, url, run, node):
    """Draw the graph of a run, and wait until `node` has appeared."""
    page.goto("about:blank")
    page.goto(f"{url}/#graphs")
    page.locator("g.node").first.wait_for(timeout=60_000)
    page.locator("tf-graph-controls paper-dropdown-menu").first.click()
    page.wait_for_timeout(500)
    name = re.compile(rf"^\s*{re.escape(run)}\s*$")
    page.locator("tf-graph-controls paper-item").filter(has_text=name).first.click()
    page.locator(f'g.node[data-name="{node}"]').first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)


def expand(page, *nodes):
    """Open nodes, as a double click does, and fit the graph to the screen."""
    for node in nodes:
        page.locator(f'g.node[data-name="{node}"]').first.dblclick()
        page.wait_for_timeout(1500)
        page.get_by_text("Fit to screen").click()
        page.wait_for_timeout(1500)


def drawn(page):
    """{name: group} of the nodes on the page: `core` in the main graph, `extract` beside it."""
    return page.evaluate(_PARTS)


def open_page(page, url):
    """Open `python -m keras_vae.page`, and wait for its picture."""
    page.goto(url)
    page.locator("#one img").wait_for(timeout=60_000)


def changed(page, name, act):
    """Do `act()`, and wait until the picture of this name on the page of sliders is another one."""
    image = page.locator(f"#{name} img").first
    before = image.get_attribute("src") if image.count() else None
    act()
    image.wait_for(timeout=60_000)
    different = "([name, before]) => document.querySelector(`#${name} img`)?.src !== before"
    page.wait_for_function(different, arg=[name, before], timeout=60_000)
    page.wait_for_timeout(1000)


def write(page, text):
    """Type a text on the page of sliders."""
    page.locator("#text textarea").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text, delay=50)


def draw(page, *points):
    """Draw a stroke on the sheet of the page of sliders; points are parts of its width, height."""
    page.get_by_role("tab", name="Your image").click()
    sheet = page.locator("#canvas canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def main():
    parser = argparse.ArgumentParser(description="Screenshots for the README")
    parser.add_argument("--logs", type=pathlib.Path, default="output/02_tensorboard/logs")
    parser.add_argument("--output", type=pathlib.Path, default=FIGURES)
    parser.add_argument("--only-page", action="store_true", help="the page of sliders alone")
    arguments = parser.parse_args()

    if not arguments.only_page:
        of_tensorboard(arguments.logs, arguments.output)
    of_page(arguments.output)


def of_tensorboard(logs, output):
    with tensorboard(logs) as url, browser(1500, 1150) as (page, _):

        def shot(name, left=0, width=1500):
            """Keep the part of the page to the right of `left`, where the panels end."""
            top = 65 if left else 0
            clip = {"x": left, "y": top, "width": width, "height": 1150 - top}
            page.screenshot(path=output / f"02_{name}.png", clip=clip)

        open_graph(page, url, "latent2/train", "decoder")
        shot("graph", width=800)
        expand(page, "loss")
        shot("graph_loss", left=350, width=1150)
        open_graph(page, url, "latent2/train", "decoder")
        expand(page, "decoder", "encoder")
        shot("graph_networks", left=350, width=500)
        page.goto(f"{url}/#images")
        page.wait_for_timeout(3000)
        page.locator("tf-tag-filterer input").first.fill("manifold|reconstructions|traversal")
        page.wait_for_timeout(5000)
        shot("images", left=355, width=1145)
        page.goto(f"{url}/#projector")
        page.wait_for_timeout(8000)
        shot("projector", left=312, width=890)


def of_page(output):
    with served(["keras_vae.page"]) as url, browser(1000, 1340) as (page, _):
        open_page(page, url)
        changed(page, "written", lambda: write(page, "HELLO KERAS 3"))
        changed(page, "encoded", lambda: draw(page, *[(0.3, 0.8), (0.5, 0.15), (0.7, 0.8)]))
        changed(page, "encoded", lambda: draw(page, (0.38, 0.55), (0.62, 0.55)))
        page.mouse.wheel(0, -2000)
        page.wait_for_timeout(1000)
        page.screenshot(path=output / "page.png")


if __name__ == "__main__":
    main()
