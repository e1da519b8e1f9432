"""What every test runs under."""
import pytest

from kitlib.widgets.guard import Guard


@pytest.fixture(autouse=True)
def no_callback_fails_unheard(monkeypatch):
    """Every guard raises.

    ipywidgets swallows that for clicks and messages, so what a guard kept fails the test, too.
    """
    guards, init = [], Guard.__init__

    def remembered(self):
        init(self)
        guards.append(self)

    monkeypatch.setattr(Guard, "__init__", remembered)
    monkeypatch.setattr(Guard, "strict", True)
    yield
    kept = [error for guard in guards for error in guard.errors]
    assert kept == [], "clear `errors` where they are expected"
