"""JupyterLab and Chromium for the tests that look at the page itself: one of each, on this machine alone.

Everything that JupyterLab reads or writes is in a folder of its own, so nothing of yours is read, and nothing
is left behind.
"""
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = {"playwright": importlib.util.find_spec("playwright"), "chromium": CHROMIUM}
MISSING = [what for what, there in NEEDED.items() if not there]
FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
         "--disable-background-networking --disable-component-update --disable-sync "
         "--disable-dev-shm-usage --force-color-profile=srgb").split()
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
           "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR", "HOME")
# Kernels and server end by themselves if nobody ends them.
OPTIONS = ("--no-browser --ip=127.0.0.1 --ServerApp.port_retries=0 --allow-root --LabApp.news_url=None "
           "--LabApp.expose_app_in_browser=True --JupyterNotebookApp.expose_app_in_browser=True "
           "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate "
           "--LabApp.extension_manager=readonly --ServerApp.terminals_enabled=False "
           "--KernelManager.transport=ipc --ServerApp.shutdown_no_activity_timeout=300 "
           "--MappingKernelManager.cull_idle_timeout=300 --MappingKernelManager.cull_connected=True").split()
# Off-screen cells are not in the page unless the windowing is off.
SETTINGS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
            "notebook-extension/tracker": {"windowingMode": "none"}}
TOKEN = "kit"
IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


@contextmanager
def lab():
    """A running JupyterLab: its address, and the folder that it serves. Its kernels end with it."""
    # A short name: sockets lie within.
    with tempfile.TemporaryDirectory(prefix="kit") as home, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        work, base = Path(home, "work"), f"http://127.0.0.1:{port}"
        work.mkdir()
        environment = os.environ | {name: str(Path(home, name.lower())) for name in FOLDERS}
        for name, setting in SETTINGS.items():
            path = Path(home, "jupyterlab_settings_dir/@jupyterlab", f"{name}.jupyterlab-settings")
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(setting))
        with Path(home, "log").open("w") as log:
            server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *OPTIONS, f"--port={port}",
                                       f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={work}"],
                                      env=environment, cwd=work, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=subprocess.STDOUT, start_new_session=True)
        # A kill must not leave the server behind.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            _answer(server, port, Path(home, "log"))
            yield base, work
        finally:
            signal.signal(signal.SIGTERM, before)
            _end(server, base)


def _answer(server: subprocess.Popen, port: int, log: Path) -> None:
    for _ in range(300):
        with socket.socket() as caller:
            caller.settimeout(0.2)
            if not caller.connect_ex(("127.0.0.1", port)):
                return
        try:
            server.wait(0.1)
            break
        except subprocess.TimeoutExpired:
            pass
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text()}")


def _ask(url: str, method: str = "GET") -> bytes:
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return answer.read()


def end_group(server: subprocess.Popen) -> None:
    """End a server and all that it started in its group. Caller started it in a session of its own."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _end(server: subprocess.Popen, base: str) -> None:
    """Kernels are in sessions of their own: they are shut down by name before the server's group is ended."""
    try:
        for kernel in json.loads(_ask(f"{base}/api/kernels")):
            _ask(f"{base}/api/kernels/{kernel['id']}", "DELETE")
    finally:
        end_group(server)


@contextmanager
def chromium():
    """A running Chromium."""
    from playwright.sync_api import sync_playwright  # here, because it may be missing
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _jupyters_own(error) -> bool:
    """JupyterLab takes an output away twice when its cell is run again while it is drawn.

    Widgets' code has a blob: address.
    """
    return "removeChild" in str(error) and "blob:" not in (error.stack or "")


class Notebook:
    """A notebook open in a page: cells are run and looked at.

    What the page complains of or asks others for is kept.
    """

    def __init__(self, browser, base: str, work: Path, cells: dict[str, str], app: str = "lab/tree",
                 width: int = 1400, height: int = 1400):
        self.names = list(cells)
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source, id=name) for name, source in cells.items()])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, work / f"{app.partition('/')[0]}.ipynb")
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(20_000)
        self.errors, self.hosts = [], set()
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: _jupyters_own(error) or self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        self.page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).hostname))
        self.page.goto(f"{base}/{app}/{app.partition('/')[0]}.ipynb?token={TOKEN}&reset")
        self.page.wait_for_function(IDLE, timeout=60_000)

    def run_all(self) -> None:
        """Run All, as the menu does it."""
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def restart(self) -> None:
        """A new kernel; the page stays."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        self.page.wait_for_function(IDLE, timeout=60_000)

    def run(self, name: str, source: str = ""):
        """Run one cell, with another source if that is given, and give what it shows."""
        self.page.evaluate("""async ([at, source]) => {
            const cells = jupyterapp.shell.currentWidget.content;
            cells.deselectAll();
            cells.activeCellIndex = at;
            if (source) cells.activeCell.model.sharedModel.setSource(source);
            await jupyterapp.commands.execute('notebook:run-cell') }""", [self.names.index(name), source])
        return self.output(name)

    def settle(self) -> None:
        """Wait until the kernel has answered all that was asked of it up to now, and that is in the page."""
        self.page.evaluate("""async () => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            await kernel.requestExecute({code: '', silent: true}).done;
            await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))) }""")

    def output(self, name: str):
        """What a cell shows."""
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(self.names.index(name))
        return cell.locator(".jp-OutputArea-output")

    def theme(self, name: str) -> None:
        """Light or Dark."""
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})",
                           f"JupyterLab {name}")
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light",
                                    arg=str(name == "Light").lower())
