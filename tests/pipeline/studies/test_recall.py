"""A cell is measured as in a process of its own, whatever that process measured before."""

import torch

from pipeline.data.load import ImageSet
from pipeline.evaluation.features import FeatureExtractor
from pipeline.studies import recall
from pipeline.studies.recall import KeyedCell, measure_anew
from pipeline.studies.result import CellResult
from tests.pipeline.studies.smoke_cells import cell


def test_every_cell_is_compiled_whatever_its_process_compiled_before(images: ImageSet, monkeypatch):
    """torch compiles a function for so many shapes, and then runs the next one uncompiled."""
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 2)
    compiled = []

    def note_shape(graph, inputs):
        compiled.append(len(inputs[0]))
        return graph.forward

    step = torch.compile(lambda z: z + 1, dynamic=False, backend=note_shape)

    def measure(cell, images, extract, fit):
        step(torch.zeros(len(compiled) + 1))
        return CellResult({"n": 1.0})

    monkeypatch.setattr(recall, "measure_cell", measure)
    monkeypatch.setattr(recall, "load_images", lambda cell, seen: images)
    monkeypatch.setattr(
        recall, "find_extractor", lambda cell: FeatureExtractor(lambda batch: batch, False, "")
    )
    for number in range(4):
        measure_anew(KeyedCell(cell("table6"), (), str(number)))
    assert compiled == [1, 2, 3, 4]
