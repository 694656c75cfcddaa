from importlib.util import find_spec
from pathlib import Path

import pytest

from launch.bytecode import ENGINE, OTHERS, import_all


@pytest.mark.parametrize("name", [*ENGINE, *OTHERS])
def test_what_is_compiled_is_there(name: str) -> None:
    top, *rest = name.split(".")
    spec = find_spec(top)
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent.joinpath(*rest)
    assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_what_cannot_be_imported_is_named_and_the_others_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_one.py").write_text("1 / 0")
    (tmp_path / "whole_one.py").write_text("")
    (tmp_path / "of_an_extra.py").write_text("import a_package_that_nobody_has")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    import_all(("broken_one", "of_an_extra", "whole_one"), ())
    said = capsys.readouterr().out
    assert "no bytecode of broken_one: ZeroDivisionError" in said
    assert said.count("\n") == 1
    assert list((tmp_path / "__pycache__").glob("whole_one.*.pyc"))
