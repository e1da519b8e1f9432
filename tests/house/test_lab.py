"""`make lab` serves JupyterLab on loopback, behind a token, at notebook 00."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
URL = re.compile(r"http://(127\.0\.0\.1|localhost):(\d+)(/\S*)\?token=([0-9a-f]{20,})")


def answer(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as response:
            return response.status, response.url
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, url


@pytest.mark.skipif(shutil.which("make") is None or Path(sys.prefix) != ROOT / ".venv" or not (ROOT / ".venv/lab").exists(),
                    reason="runs where `make lab` has installed: in .venv, with make")
def test_make_lab_serves_notebook_00_on_loopback_with_a_token(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MAKE", "MFLAGS"))}
    environment |= {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "run"),
                    "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(["make", "lab", "LAB=--no-browser --ServerApp.port=18888"], cwd=ROOT, env=environment, stdout=output,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        found, deadline = None, time.monotonic() + 60
        while not found and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            found = URL.search(log.read_text())
        assert found, log.read_text()
        _, port, path, token = found.groups()
        assert path == "/lab/tree/notebooks/00_start_here.ipynb"
        base = f"http://127.0.0.1:{port}"
        assert answer(f"{base}/api/contents/notebooks/00_start_here.ipynb?token={token}")[0] == 200
        assert answer(f"{base}{path}?token={token}")[0] == 200
        assert answer(f"{base}/api/contents")[0] == 403
        listening = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True, check=False).stdout
        if listening:
            wildcard = f" 00000000:{int(port):04X} "
            assert wildcard not in listening
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
