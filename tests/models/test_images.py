import numpy as np
import pytest
import torch

from models.images import to_bytes, to_unit

BYTES = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)


def test_bytes_become_numbers_from_zero_to_one_in_arrays_and_tensors_alike():
    array, tensor = to_unit(BYTES), to_unit(torch.from_numpy(BYTES))
    assert array.dtype == np.float32 and tensor.dtype == torch.float32
    assert array.shape == tuple(tensor.shape) == (4, 1, 8, 8)
    assert array.min() == 0.0 and array.max() == 1.0
    np.testing.assert_array_equal(array, tensor.numpy())
    np.testing.assert_allclose(array.flatten() * 255, np.arange(256), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_numbers_pass_through(dtype):
    images = torch.rand(2, 1, 4, 4).to(dtype)
    assert to_unit(images) is images


def test_other_types_are_refused():
    for images in (np.zeros((2, 1, 4, 4), dtype=np.int64), torch.zeros(2, 1, 4, 4, dtype=torch.int8)):
        with pytest.raises(ValueError, match=r"dtype int\d+ found; should be uint8 or a float"):
            to_unit(images)


def test_bytes_survive_the_way_there_and_back():
    np.testing.assert_array_equal(to_bytes(to_unit(torch.from_numpy(BYTES))), BYTES)
    assert to_bytes(torch.tensor([-0.5, 1.5])).tolist() == [0, 255]
