"""Transparent backgrounds of which the truth is known: how close the edge comes to it."""

from tests.matte_truth import measure

from .workspace import Workspace


def measure_mattes(workspace: Workspace) -> None:
    """Measure the edges of subjects that are taken off one plain ground, or off two of them."""
    figures = workspace.figures
    for way, name, mean, least in measure(1 if workspace.quick else 3):
        figures.section = f"Transparent backgrounds: the edge against the truth, {way}"
        figures.add(f"{name}: the mean", "dB", [mean])
        figures.add(f"{name}: the worst", "dB", [least])
