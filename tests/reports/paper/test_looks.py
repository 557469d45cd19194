"""A method has one look in all figures, and its variants are told apart without colour as well."""

from matplotlib.colors import rgb_to_hsv, to_rgb

from reports.paper.looks import METHODS, choose_alpha_looks, choose_looks


def test_a_method_looks_the_same_whatever_stands_beside_it():
    few, many = choose_looks(["Ours"]), choose_looks(["WAE", "VAE", "ABP", "Ours", "PPCA", "MEG"])
    assert few["Ours"] == many["Ours"] == METHODS["Ours"]
    assert len({look["color"] for look in many.values()}) == len(many)


def test_variants_are_shades_of_their_method_from_light_to_dark():
    looks = choose_looks(["VAE", "Ours (alpha=0.1)", "Ours (alpha=0.3)", "Ours (alpha=0.5)"])
    assert looks["VAE"] == METHODS["VAE"]
    shades = [looks[f"Ours (alpha={alpha})"] for alpha in (0.1, 0.3, 0.5)]
    light = [sum(to_rgb(look["color"])) for look in shades]
    assert light == sorted(light, reverse=True)
    hues = [rgb_to_hsv(to_rgb(look["color"]))[0] for look in shades]
    assert max(hues) - min(hues) < 0.02
    assert len({look["marker"] for look in shades}) == 3


def test_alpha_0_looks_as_abp_does():
    looks = choose_alpha_looks([0, 0.5, 1])
    assert looks[0] == METHODS["ABP"]
    assert len({look["color"] for look in looks}) == 3
    assert choose_alpha_looks([0]) == [METHODS["ABP"]]
    assert choose_alpha_looks([0.5]) == [METHODS["Ours"]]
