"""What a learner clicks: the only package that imports ipywidgets."""
