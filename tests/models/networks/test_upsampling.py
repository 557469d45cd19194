import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from models.networks import upsampling
from models.networks.upsampling import Geometry, upsample

GEOMETRIES = [Geometry(5, 2, 2, 1), Geometry(3, 1, 1, 0), Geometry(4, 2, 1, 0), Geometry(2, 3, 0, 1)]


def draw(geometry, height=2, width=3):
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 2, height, width, generator=rng, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, geometry.kernel, geometry.kernel, generator=rng, dtype=torch.float64)
    return maps, weight.requires_grad_()


def convolve(maps, weight, geometry):
    _, stride, padding, output_padding = geometry
    return functional.conv_transpose2d(maps, weight, None, stride, padding, output_padding)


@pytest.fixture(params=[1, 1 << 22], ids=["sample by sample", "at once"])
def parts(request, monkeypatch):
    monkeypatch.setattr(upsampling, "CACHED_COLUMNS", request.param)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_products_and_their_gradients_are_torchs_transposed_convolution(geometry, parts):
    maps, weight = draw(geometry)
    ours, theirs = upsample(maps, weight, geometry), convolve(maps, weight, geometry)
    assert type(ours.grad_fn) is not type(theirs.grad_fn)  # the products did it
    torch.testing.assert_close(ours, theirs)
    slope = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (maps, weight), slope), torch.autograd.grad(theirs, (maps, weight), slope)
    )


def test_they_can_be_differentiated_twice_and_forwards():
    geometry = GEOMETRIES[0]
    maps, weight = draw(geometry, 1, 2)
    assert gradcheck(lambda *given: upsample(*given, geometry), (maps, weight), check_forward_ad=True)
    assert gradgradcheck(lambda *given: upsample(*given, geometry), (maps, weight))


def test_large_maps_go_to_torch():
    maps, weight = draw(GEOMETRIES[0], 5, 5)
    ours = upsample(maps, weight, GEOMETRIES[0])
    assert type(ours.grad_fn) is type(convolve(maps, weight, GEOMETRIES[0]).grad_fn)


def test_a_geometry_with_two_sides_is_refused():
    with pytest.raises(ValueError, match="should be square"):
        Geometry.of(torch.nn.ConvTranspose2d(2, 2, (3, 2)))
