"""`make lab` serves notebook 00 on loopback, behind a token; a codespace's own address may use it, too."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple

import pytest
from browser import end_group

ROOT = Path(__file__).parents[2]
NOTEBOOK = "/doc/tree/notebooks/00_start_here.ipynb"
URL = re.compile(r"http://(127\.0\.0\.1|localhost):(\d+)(/\S*)\?token=([0-9a-f]{20,})")
CODESPACE = {"CODESPACE_NAME": "fuzzy-pancake", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.dev"}
FORWARDED = "https://fuzzy-pancake-8888.app.github.dev"
OTHERS = ["https://fuzzy-pancake-8889.app.github.dev", f"{FORWARDED}.example"]
SERVED, REFUSED = (201, 101), (404, 403)       # a kernel, and its channels; to strangers Jupyter says 404
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
installed = pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv" or not (ROOT / ".venv/lab").exists(),
                               reason="runs where `make lab` has installed: in .venv")


def environment(**more: str) -> dict[str, str]:
    """What `make` is to see: no settings of Jupyter, of a make above, or of a codespace that we are in."""
    ours = ("JUPYTER", "MAKE", "MFLAGS", "CODESPACE", "GITHUB_CODESPACES")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


class Server(NamedTuple):
    """A running `make lab`, asked as a page would ask it."""

    port: int
    path: str
    token: str

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict, bytes]:
        """The status, the headers and the body of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers={key.replace("_", "-"): headers[key] for key in headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, b"" if answer.status == 101 else answer.read()
        finally:
            connection.close()

    def cookies(self) -> dict[str, str]:
        """Log in as a browser does: what it sends from then on."""
        _, headers, _ = self.ask(f"{self.path}?token={self.token}")
        cookies = SimpleCookie()
        for cookie in headers.get_all("Set-Cookie"):
            cookies.load(cookie)
        sent = "; ".join(f"{one.key}={one.value}" for one in cookies.values())
        return {"Cookie": sent, "X_XSRFToken": cookies["_xsrf"].value}

    def kernel(self, origin: str) -> tuple[int, int]:
        """Ask for a kernel and for its channels from a page of this origin: the two statuses."""
        owner = {"Authorization": f"token {self.token}"}
        name = json.loads(self.ask("/api/kernels", "POST", **owner)[2])["id"]
        page = self.cookies() | {"Origin": origin}
        try:
            started, _, body = self.ask("/api/kernels", "POST", **page)
            if started == 201:
                self.ask(f"/api/kernels/{json.loads(body)['id']}", "DELETE", **owner)
            channels = self.ask(f"/api/kernels/{name}/channels", Connection="Upgrade", Upgrade="websocket",
                                Sec_WebSocket_Version="13", Sec_WebSocket_Key=22 * "A" + "==", **page)
            return started, channels[0]
        finally:
            self.ask(f"/api/kernels/{name}", "DELETE", **owner)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(home: Path, **more: str):
    """`make lab` in a home of its own."""
    homes = {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_RUNTIME_DIR": str(home / "run"),
             "PYTHONUNBUFFERED": "1"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        asked = f"LAB=--no-browser --ServerApp.port={free.getsockname()[1]}"
    log = home / "log"
    with log.open("w") as output:
        server = subprocess.Popen(["make", "lab", asked], cwd=ROOT,
                                  env=environment(**homes, **more), start_new_session=True,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        found, deadline = None, time.monotonic() + 60
        while not found and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            found = URL.search(log.read_text())
        assert found, log.read_text()
        # Jupyter writes its address a moment before it listens there.
        while not listens(int(found[2])) and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        yield Server(int(found[2]), found[3], found[4])
    finally:
        end_group(server)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """`make lab` on a machine of one's own."""
    with serving(tmp_path_factory.mktemp("here")) as server:
        yield server


@pytest.fixture(scope="module")
def codespace(tmp_path_factory):
    """`make lab` in a codespace."""
    with serving(tmp_path_factory.mktemp("codespace"), **CODESPACE) as server:
        yield server


def options(**more: str) -> list[str]:
    """What `make lab` would start JupyterLab with."""
    said = subprocess.check_output(["make", "-n", "lab"], cwd=ROOT, env=environment(**more), text=True)
    return said.splitlines()[-1].split()


@needs_make
def test_a_codespace_adds_its_own_address_and_nothing_else():
    assert options(**CODESPACE) == [*options(), f"--ServerApp.allow_origin={FORWARDED}"]
    assert not [option for option in options() if "origin" in option or "remote" in option]


def test_every_setting_that_make_lab_writes_is_one_that_jupyterlab_has():
    text = re.search(r"^SETTINGS := (.*?)\n\n", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)[1]
    settings = json.loads(text.replace("\\\n", ""))
    assert settings["@jupyterlab/notebook-extension:tracker"]["scrollPastEnd"] is False
    for plugin, values in settings.items():
        schema = Path(sys.prefix, "share/jupyter/lab/schemas", f"{plugin.replace(':', '/')}.json")
        assert set(values) <= set(json.loads(schema.read_text())["properties"]), plugin


@needs_make
@installed
def test_make_lab_serves_notebook_00_on_loopback_with_a_token(here):
    assert here.path == NOTEBOOK
    assert here.ask(f"/api/contents/notebooks/00_start_here.ipynb?token={here.token}")[0] == 200
    assert here.ask(f"{here.path}?token={here.token}")[0] == 200
    assert here.ask("/api/contents")[0] == 403
    listening = Path("/proc/net/tcp")
    if listening.exists():
        assert f" 00000000:{here.port:04X} " not in listening.read_text()


@needs_make
@installed
def test_a_page_of_another_origin_gets_no_kernel(here):
    assert here.kernel(f"http://127.0.0.1:{here.port}") == SERVED
    assert here.kernel(FORWARDED) == REFUSED


@needs_make
@installed
def test_a_codespaces_page_gets_kernels_and_no_other_page_does(codespace):
    assert codespace.kernel(FORWARDED) == SERVED
    assert {codespace.kernel(origin) for origin in OTHERS} == {REFUSED}
