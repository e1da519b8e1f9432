"""What a learner clicks: the only package that imports ipywidgets.

Each view holds its widgets, acts on a model and renders all of it: guard (errors), box (what is displayed), folio_lab.
"""
from .folio_lab import FolioLab
