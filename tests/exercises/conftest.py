"""Every test is a session of its own: tries are counted anew."""
import pytest

from kitlib.check import tries


@pytest.fixture(autouse=True)
def a_new_session():
    tries.forget()
