"""What would fail after the trainings is refused before them."""

import hashlib

import pytest

from pipeline.settings.yaml_files import ParamError
from pipeline.storage import places
from pipeline.studies.grid import read_grid
from stages.validate import check_inception, check_own_axes, validate


@pytest.fixture
def weights(project):
    """A file whose name carries the start of its SHA-256, as the published one's does."""
    content = b"weights"
    path = project / f"weights-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    return path


def test_weights_that_are_whole_and_none_are_right(weights):
    check_inception(weights.name)
    check_inception(None)


def test_weights_that_are_absent_or_cut_short_are_refused_by_name(weights, project):
    with pytest.raises(ParamError, match=r"fid\.inception_file: found 'nope\.pth'.* expected .*or null"):
        check_inception("nope.pth")
    weights.write_bytes(b"weigh")
    with pytest.raises(ParamError, match=r"fid\.inception_file: .* has SHA-256 .* expected .*, as its name"):
        check_inception(weights.name)


def test_an_axis_of_one_method_alone_is_known_and_its_method_in_the_line_up(project):
    grid = read_grid()
    check_own_axes(grid)
    own = grid["studies"]["table6"]["own"]
    own["Ours"]["KK"] = own["Ours"].pop("K")
    with pytest.raises(ParamError, match=r"studies\.table6\.own\.Ours: found 'KK', expected one of .*K"):
        check_own_axes(grid)
    own["VAE"] = own.pop("Ours")
    with pytest.raises(ParamError, match=r"studies\.table6\.own: found 'VAE', expected one of Ours"):
        check_own_axes(grid)


def test_the_stage_refuses_them_and_leaves_no_mark(project):
    text, key = (project / "params.yaml").read_text(), "  inception_file:"
    assert text.count(key) == 1
    (project / "params.yaml").write_text(text.replace(key, f"{key} nope.pth"))
    with pytest.raises(ParamError, match=r"nope\.pth"):
        validate()
    assert not places.VALID.exists()
