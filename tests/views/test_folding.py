"""A folded text: closed in a page, plain in text, and never read as HTML."""
from xml.etree import ElementTree

from IPython.core.formatters import DisplayFormatter

from kitlib.widgets import folded

TEXT = "step      <b>1</b> & 2\nevent     folio_get(folio 0)"


def displayed(shown):
    data, _ = DisplayFormatter().format(shown)
    return data


def test_the_text_is_in_a_closed_details_word_for_word():
    details = ElementTree.fromstring(displayed(folded(TEXT))["text/html"])
    summary, text = details
    assert (details.tag, summary.tag, text.tag) == ("details", "summary", "pre")
    assert "open" not in details.attrib and len(text) == 0
    assert (summary.text, text.text) == ("What happened", TEXT)


def test_the_label_is_text_too():
    details = ElementTree.fromstring(displayed(folded("", "<i>Answer</i>"))["text/html"])
    assert details[0].text == "<i>Answer</i>"


def test_text_plain_is_the_text_itself():
    assert displayed(folded(TEXT))["text/plain"] == TEXT
