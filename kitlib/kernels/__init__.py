"""Kernels: one whole module each."""
