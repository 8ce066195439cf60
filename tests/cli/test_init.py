"""`vpp-sim init`: a commented scenario that passes its own check, never over somebody's file."""

from pathlib import Path

import pytest

from vpp_sim.cli.main import exit_code


def test_what_is_written_passes_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(["init"]) == 0
    assert capsys.readouterr().out == "site.yaml: written; next: vpp-sim check site.yaml\n"
    assert exit_code(["check", "site.yaml"]) == 0
    assert exit_code(["check", "site.yaml", "--override", "no_battery"]) == 0


def test_an_existing_file_is_kept_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("mine\n")
    assert exit_code(["init", "mine.yaml"]) == 2
    assert capsys.readouterr().err == "mine.yaml: exists already; choose another name, or --force to overwrite it\n"
    assert Path("mine.yaml").read_text() == "mine\n"
    assert exit_code(["init", "mine.yaml", "--force"]) == 0
    assert Path("mine.yaml").read_text().startswith("# A site for vpp_sim.")


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["init", str(tmp_path / "none" / "a.yaml")]) == 2
    assert f"there is no folder '{tmp_path / 'none'}'; make it first" in capsys.readouterr().err
