"""`import kitlib as kl` is quick and takes nothing heavy with it."""
import json
import subprocess
import sys

CODE = """
import sys
import kitlib
import json
heavy = "numpy", "pandas", "matplotlib", "ipywidgets", "IPython"
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def test_import_kitlib_imports_no_heavy_library():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
