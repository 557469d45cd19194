"""A user's files become what the training images were."""

import numpy as np
import pytest
from PIL import Image

from pipeline.data.emoji import find_pictures, read_picture
from pipeline.data.own_images import read_image, read_mask, read_size
from pipeline.data.readers import open_celeba

GREY, COLOUR, FACE = (1, 28, 28), (3, 32, 32), (3, 64, 64)
RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def test_an_image_of_the_models_size_keeps_its_bytes(tmp_path):
    digit, colour = draw(28, 28), draw(32, 32, 3)
    Image.fromarray(digit).save(tmp_path / "digit.png")
    Image.fromarray(colour).save(tmp_path / "colour.png")
    assert np.array_equal(read_image(tmp_path / "digit.png", GREY, "mnist5k")[0], digit)
    assert np.array_equal(read_image(tmp_path / "colour.png", COLOUR, "svhn"), colour.transpose(2, 0, 1))


def test_an_emoji_is_converted_as_the_data_set_was():
    for path in find_pictures()[::800]:
        assert np.array_equal(read_image(path, FACE, "emoji"), read_picture(path))


def test_a_face_is_converted_as_the_data_set_was(tmp_path):
    names = [f"{number}.jpg" for number in range(4)]
    (tmp_path / "img_align_celeba").mkdir()
    for name in names:
        Image.fromarray(draw(218, 178, 3)).save(tmp_path / "img_align_celeba" / name, quality=95)
    (tmp_path / "list_eval_partition.txt").write_text(
        "".join(f"{n} {2 * (i > 1)}\n" for i, n in enumerate(names))
    )
    rows = "".join(f"{name} 1\n" for name in names)
    (tmp_path / "list_attr_celeba.txt").write_text(f"4\nMale\n{rows}")
    trained = open_celeba(tmp_path)["train"].read(np.arange(2))
    for name, image in zip(names, trained, strict=False):
        assert np.array_equal(read_image(tmp_path / "img_align_celeba" / name, FACE, "celeba"), image)


def test_the_middle_square_is_taken_of_an_image_of_any_size(tmp_path):
    square = draw(280, 280)
    wide = np.concatenate([draw(280, 60), square, draw(280, 60)], 1)
    Image.fromarray(square).save(tmp_path / "square.png")
    Image.fromarray(wide).save(tmp_path / "wide.png")
    expected = read_image(tmp_path / "square.png", GREY, "mnist5k")
    assert np.array_equal(read_image(tmp_path / "wide.png", GREY, "mnist5k"), expected)
    Image.fromarray(draw(1, 500)).save(tmp_path / "line.png")
    assert read_image(tmp_path / "line.png", GREY, "mnist5k").shape == GREY


def test_sixteen_bits_transparency_and_a_turned_camera_are_understood(tmp_path):
    Image.fromarray(np.full((28, 28), 0x8080, np.uint16)).save(tmp_path / "deep.png")
    assert (read_image(tmp_path / "deep.png", GREY, "mnist5k") == 0x80).all()
    clear = np.zeros((28, 28, 4), np.uint8)
    clear[:14, :, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    image = read_image(tmp_path / "clear.png", GREY, "mnist5k")[0]
    assert (image[:14] == 0).all() and (image[14:] == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    digit = draw(28, 28)
    Image.fromarray(digit).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "turned.png", GREY, "mnist5k")[0], digit[::-1, ::-1])


def test_a_mask_is_cropped_and_resized_with_its_image(tmp_path):
    mask = np.full((100, 300), 255, np.uint8)
    mask[:, 100:150] = 0
    Image.fromarray(mask).save(tmp_path / "mask.png")
    seen = read_mask(tmp_path / "mask.png", (300, 100), GREY, "mnist5k")
    assert seen.shape == GREY and set(np.unique(seen)) == {0, 1}
    assert (seen[..., :14] == 0).all() and (seen[..., 14:] == 1).all()
    with pytest.raises(ValueError, match="a mask of 300 x 100 pixels found; should be 90 x 90 as its image"):
        read_mask(tmp_path / "mask.png", (90, 90), GREY, "mnist5k")


def test_what_is_no_picture_is_one_line_that_names_the_file(tmp_path):
    Image.fromarray(draw(200, 200, 3)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:3000])
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(draw(9, 9)).save(tmp_path / "other.png", format="GIF")
    for name in ("cut.jpg", "text.png", "other.png", "absent.png", "."):
        with pytest.raises(ValueError) as refused:
            read_size(tmp_path / name)
        assert str(tmp_path / name) in str(refused.value) and "\n" not in str(refused.value)
