"""Make the README's screenshots of TensorBoard from the logs of tutorial 02.

    python tutorials/02_tensorboard.py
    python tutorials/screenshots.py          # needs chromium, and pip install -e ".[browser]"

The script starts TensorBoard on a free port of the loopback address and opens it in a headless
Chromium.
"""

import argparse
import contextlib
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
def tensorboard(logs, *flags, path="", seconds=90):
    """Run TensorBoard on a folder of logs for the length of the context; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--reload_interval", "1", "--load_fast", "false", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}{path}"
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                urllib.request.urlopen(f"{url}/data/runs", timeout=5).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("TensorBoard does not answer.") from None
                time.sleep(0.2)
        yield url
    finally:
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


def main():
    parser = argparse.ArgumentParser(description="Screenshots of TensorBoard")
    parser.add_argument("--logs", type=pathlib.Path, default="output/02_tensorboard/logs")
    parser.add_argument("--output", type=pathlib.Path, default=FIGURES)
    arguments = parser.parse_args()

    with tensorboard(arguments.logs) as url, browser(1500, 1150) as (page, _):

        def shot(name, left=0, width=1500):
            """Keep the part of the page to the right of `left`, where the panels end."""
            top = 65 if left else 0
            clip = {"x": left, "y": top, "width": width, "height": 1150 - top}
            page.screenshot(path=arguments.output / f"02_{name}.png", clip=clip)

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


if __name__ == "__main__":
    main()
