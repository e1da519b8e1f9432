"""Pictures of memory, decisions, runs and races, each with a text of what it shows.

Reading order: picture and states, then maps (Pillow, all else is matplotlib without pyplot); layout and flow,
a decision tree; sketches, what the course's first words mean; curves, a sweep; runs and arrivals; page_words,
film and film_chart, a run event by event; lanes, one schedule of a race; proof_states, progress_graphs and
stategraph, all of its schedules. Leaves out what moves: that is the widgets' part.
"""
from .arrivals import compare_arrivals
from .curves import curve, describe_curve
from .film import COUNTERS, Film, film_recording, film_zone
from .film_chart import FilmChart, sentence
from .flow import Chart, decision_tree, describe_tree
from .lanes import describe_lanes, swim_lanes
from .maps import compare_maps, memory_map
from .picture import Picture
from .progress_graphs import describe_progress, progress_graph
from .runs import compare_scanners, describe_compared, describe_scanners, scanners
from .sketches import describe_file, describe_lists, file_in_memory, lists_and_scanners
from .stategraph import describe_states, state_graph
from .states import DARK, LIGHT, MARKS, STATES, check_states, describe, page_states

__all__ = ["COUNTERS", "DARK", "LIGHT", "MARKS", "STATES", "Chart", "Film", "FilmChart", "Picture",
           "check_states", "compare_arrivals", "compare_maps", "compare_scanners", "curve", "decision_tree",
           "describe", "describe_compared", "describe_curve", "describe_file", "describe_lanes",
           "describe_lists", "describe_progress", "describe_scanners", "describe_states", "describe_tree",
           "file_in_memory", "film_recording", "film_zone", "lists_and_scanners", "memory_map", "page_states",
           "progress_graph", "scanners", "sentence", "state_graph", "swim_lanes"]
