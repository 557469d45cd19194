import platform

from pipeline.storage.processor import name_processor


def test_two_processors_of_one_name_are_told_apart(tmp_path):
    names = []
    for family in (23, 25):
        path = tmp_path / f"{family}"
        path.write_text(
            f"processor\t: 0\ncpu family\t: {family}\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 2\n"
            f"\nprocessor\t: 1\ncpu family\t: {family}\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
        )
        names.append(name_processor(path))
    assert names == ["AMD EPYC (family 23, model 1)", "AMD EPYC (family 25, model 1)"]


def test_a_processor_without_such_a_file_has_the_name_that_python_knows(tmp_path):
    assert name_processor(tmp_path / "none") == (platform.processor() or platform.machine())
