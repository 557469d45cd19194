import matplotlib.image
import numpy as np
import torch

from reports.drawing import save_anomaly_scores, save_grid, save_latent_marginal


def test_a_grid_shows_every_image_and_is_reproducible(tmp_path):
    images = torch.zeros(5, 1, 8, 8)
    images[3] = 1
    save_grid(tmp_path / "a.png", [("one", images), ("two", images[:2])], columns=3)
    save_grid(tmp_path / "b.png", [("one", images), ("two", images[:2])], columns=3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = matplotlib.image.imread(tmp_path / "a.png")[..., 0]
    _height, width = picture.shape
    assert width == 1320  # 12 inches at 110 dots
    # Row one has two lines of three: the white image is the first of the second line, dark ones around it.
    tile = width / 3
    title = 0.26 * 110
    assert picture[int(title + 1.5 * tile), int(0.5 * tile)] > 0.95
    assert picture[int(title + 1.5 * tile), int(1.5 * tile)] < 0.05
    assert picture[int(title + 0.5 * tile), int(0.5 * tile)] < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]  # nothing half written


def test_colour_images_keep_their_colour(tmp_path):
    images = torch.zeros(1, 3, 8, 8)
    images[:, 0] = 1
    save_grid(tmp_path / "a.png", [("red", images)])
    picture = matplotlib.image.imread(tmp_path / "a.png")
    middle = picture[picture.shape[0] // 2, picture.shape[1] // 2, :3]
    np.testing.assert_allclose(middle, [1, 0, 0], atol=0.01)


def test_plots_are_drawn_for_edge_cases(tmp_path):
    save_latent_marginal(tmp_path / "one.png", torch.zeros(4, 1), "one coordinate, all equal")
    labels = np.array([True, False, False])
    curve = {"tenth": (np.ones(1), np.full(1, 1 / 3))}
    save_anomaly_scores(
        tmp_path / "s.png", {"tenth": np.ones(3)}, {"tenth": labels}, curve, "constant scores"
    )
    for name in ("one.png", "s.png"):
        assert matplotlib.image.imread(tmp_path / name).std() > 0.01
