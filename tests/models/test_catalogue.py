from models.catalogue import METHODS


def test_the_methods_of_the_short_run_are_those_that_use_the_engine():
    for name, method in METHODS.items():
        assert method.uses_engine == (method.module == "models.short_run.method"), name


def test_a_row_named_by_alpha_depends_on_it():
    named = {name for name, method in METHODS.items() if method.named_by_alpha}
    assert named == {"Ours"} and "alpha" not in METHODS["Ours"].ignores
    assert "alpha" in METHODS["ABP"].ignores  # alpha = 0 by definition
