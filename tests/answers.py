"""Wrong answers made from right ones: the mistake stands alone, and the rest is as it should be.

And what a report says of them in the end.
"""
import inspect
import textwrap

from kitlib.check.sentences import _lettered


def changed(function, *changes, **names):
    """A function with other lines: each change is (old, new), and old stands in exactly one place.

    `names` are what new lines use.
    """
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    namespace = function.__globals__ | names
    exec(source, namespace)
    return namespace[function.__name__]


def true(sentences, learner=""):
    """The letters of a learner's true sentences."""
    return "".join(letter for letter, one in _lettered(sentences, learner).items() if one.is_true)


def told(report):
    """All that a report says at the third try, with its hints on one line each; of answers all hints."""
    report.tries = 3
    later = [" ".join(finding.hint.split()).rstrip(":;,") for finding in report.findings
             if finding.is_answer and not finding.holds]
    return "\n".join([repr(report), *later])
