"""What is kept of a learner's predictions: one small JSON file on this machine, beside the notebooks.

The environment variable KITLIB_PREDICTIONS names another file; empty, nothing is kept once the kernel ends.
A file that cannot be read is left as it is, one that cannot be written is done without: a warning says so.
"""
import json
import os
import warnings
from pathlib import Path

VARIABLE, FILE = "KITLIB_PREDICTIONS", ".predictions.json"
MOST_BYTES = 1_000_000                     # bytes; the whole course takes a few thousand


def path() -> Path | None:
    """Where predictions are kept; None where nothing is."""
    named = os.environ.get(VARIABLE, FILE)
    return Path(named).absolute() if named else None


def kept_in(file: Path) -> dict[str, dict[str, dict]]:
    """What the file says: by notebook and by key. Without a file nothing; ValueError where it is broken."""
    if not file.exists():
        return {}
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    kept = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(kept, dict) or not all(
            isinstance(entry, dict) for notebook in [kept, *kept.values()] if isinstance(notebook, dict)
            for entry in notebook.values()):
        raise ValueError("it is not by notebook and by key")
    return kept


class Record:
    """What is kept of one notebook, in `entries` by key. Others may write the same file meanwhile."""

    def __init__(self, notebook: str):
        self.notebook, self.file, self.entries = notebook, path(), {}
        self.refresh()

    def refresh(self) -> None:
        """Read again what is kept: the same notebook may be open a second time."""
        if self.file:
            try:
                self.entries = kept_in(self.file).get(self.notebook, {})
            except (OSError, ValueError, RecursionError) as error:
                self._do_without(f"{self.file} cannot be read ({error}): what you predict now is kept until "
                                 "the kernel ends. Delete the file to begin anew.")

    def save(self) -> None:
        """Write what there is, and leave in the file what other notebooks have written."""
        if not self.file:
            return
        beside = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        try:
            kept = kept_in(self.file)
            kept[self.notebook] = self.entries
            text = json.dumps({name: kept[name] for name in sorted(kept) if kept[name]}, indent=1,
                              ensure_ascii=False)
            if len(text.encode()) > MOST_BYTES:
                raise ValueError(f"it would be larger than {MOST_BYTES:,} bytes")
            beside.write_text(text + "\n", encoding="utf-8")
            beside.replace(self.file)
        except (OSError, ValueError, RecursionError) as error:
            self._do_without(f"{self.file} cannot be written ({error}): what you predict is kept until the "
                             "kernel ends.")

    def _do_without(self, message: str) -> None:
        self.file = None
        warnings.warn(message, stacklevel=4)
