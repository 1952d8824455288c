"""Transparent backgrounds of which the truth is known: how close the edge comes to it."""

from tests.matte_truth import measure

from .figures import Goal
from .workspace import Workspace

GOALS = {
    ("one picture, magenta", "fur"): 23,
    ("one picture, magenta", "hair"): 25,
    ("one picture, magenta", "red icon"): 40,
    ("two pictures, the second moved by 3 px", "hair"): 30,
    ("two pictures, the second moved by 3 px", "red icon"): 30,
    ("two pictures, the second moved by 3 px", "green icon"): 30,
}
"""The least edge in dB of the worst seed, by how the subject was taken off its ground."""


def measure_mattes(workspace: Workspace) -> None:
    """Measure the edges of subjects that are taken off one plain ground, or off two of them."""
    figures = workspace.figures
    for way, name, mean, least in measure(1 if workspace.quick else 3):
        figures.section = f"Exact edits: the edge of a transparent background against the truth, {way}"
        figures.add(f"{name}: the mean", "dB", [mean])
        bound = GOALS.get((way, name))
        figures.add(f"{name}: the worst", "dB", [least], goal=Goal(bound, is_least=True) if bound else None)
