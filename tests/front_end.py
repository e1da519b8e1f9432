"""What the front end sends to a widget: a click, a new value."""
import ipywidgets


def click(button):
    """A click on a button."""
    content = {"data": {"method": "custom", "content": {"event": "click"}}}
    button._handle_msg({"content": content, "buffers": []})


def send(control, value):
    """A new value: choices go by their index."""
    values = [option[1] if isinstance(option, tuple) else option
              for option in getattr(control, "options", ())]
    if isinstance(control, ipywidgets.SelectMultiple):
        control.set_state({"index": tuple(map(values.index, value))})
    elif values:
        control.set_state({"index": values.index(value)})
    else:
        control.set_state({"value": value})
