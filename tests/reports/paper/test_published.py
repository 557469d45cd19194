from reports.paper.names import name_method
from reports.paper.published import find_table2, find_table3, find_table8, read_published

PAPER = read_published()


def test_alpha_zero_is_the_papers_abp_row():
    assert name_method(0) == "ABP" and name_method(0.3) == "Ours (alpha=0.3)"
    assert find_table2(PAPER, "svhn", "fid", 0.0) == 49.71
    assert find_table2(PAPER, "svhn", "fid", 0.3) == 19.48
    assert find_table3(PAPER, "mnist5k", 4, 0.0, "mean") == 0.138
    assert find_table3(PAPER, "mnist", 4, 0.3, "std") == 0.024


def test_cells_the_paper_does_not_print_are_empty():
    assert find_table2(PAPER, "mnist", "mse", 0.0) is None
    assert find_table2(PAPER, "fashion_mnist", "mse", 0.5) is None
    for stand_in in ("colour_digits", "emoji"):
        assert find_table2(PAPER, stand_in, "fid", 0.3) is None
        assert find_table3(PAPER, stand_in, 4, 0.3, "mean") is None
    assert find_table3(PAPER, "mnist", 4, 0.7, "mean") is None
    assert find_table3(PAPER, "mnist", 2, 0.3, "mean") is None
    assert find_table3(PAPER, "svhn", 4, 0.3, "mean") is None
    assert find_table8(PAPER, {"kind": "region", "side": 16, "share": 0.5}, "Ours") is None
    assert find_table8(PAPER, {"kind": "salt_pepper", "side": 3, "share": 0.5}, "Ours") is None  # a lost row
    assert find_table8(PAPER, {"kind": "two_regions", "side": 16, "share": 0.5}, "Ours") is None


def test_table_8_is_looked_up_by_mask():
    assert find_table8(PAPER, {"kind": "region", "side": 30, "share": 0.5}, "Ours") == 0.0029
    assert find_table8(PAPER, {"kind": "salt_pepper", "side": 30, "share": 0.9}, "ABP") == 0.0035
