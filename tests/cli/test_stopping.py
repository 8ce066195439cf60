"""Stopped at any moment, by a key, a queueing system or a closed terminal: a message, the right exit code, nothing
half written, what was there before still whole. Full disks, closed pipes and other unfriendly surroundings as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TINY = Path(__file__).resolve().parents[2] / "scenarios" / "tiny.yaml"
SIZE = ["--set", "battery.energy_kwh={min: 0, max: 500, cost_per_unit: 1000}", "--set", "horizon.days=1"]
SHORT = ["--set", "horizon.days=1", "--solver", "highs"]


def started(folder: Path, *words: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vpp_sim", *map(str, words)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def run(folder: Path, *words: object, **options: Any) -> tuple[int, str]:
    process = started(folder, *words, **options)
    _, told = process.communicate(timeout=120)
    return process.returncode, told


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a short site."""
    folder = tmp_path_factory.mktemp("stopped")
    assert run(folder, "run", TINY, *SHORT, "--out", "out") == (0, "")
    return folder


@pytest.mark.parametrize("turn", range(6))
def test_stopped_at_a_random_moment_all_is_whole(before: Path, tmp_path: Path, turn: int) -> None:
    """Real processes that replace an earlier result; most are hit near their end, where they write."""
    shutil.copytree(before / "out", tmp_path / "out")
    earlier = digests(tmp_path / "out")
    words: list[list[object]] = [
        ["run", TINY, *SHORT, "--out", "out"],
        ["report", "out"],
        ["size", TINY, *SIZE, "--out", "out"],
    ]
    number = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP][turn % 3]
    process = started(tmp_path, *words[turn % len(words)])
    wait_for = [lambda: False, lambda: len(names(tmp_path)) > 1][turn % 2]
    until = time.monotonic() + float(np.random.default_rng(turn).uniform(0.5, 3.0)) * (1 + 10 * (turn % 2))
    while time.monotonic() < until and process.poll() is None and not wait_for():
        time.sleep(0.002)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    # Python ends by SIGINT itself where that came within exec(); a shell shows 130 for both
    assert process.returncode in (0, 128 + number, -signal.SIGINT), told
    assert told.strip() == ("" if process.returncode == 0 else "stopped")
    assert names(tmp_path) == ["out"]
    if digests(tmp_path / "out") != earlier:
        assert run(tmp_path, "verify", "out") == (0, "")


LOST = """
import ctypes, signal, time
import click
import vpp_sim.cli.kinds
from vpp_sim.cli.main import main

@click.command()
def kinds():
    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.{name}))()
    time.sleep(20)

vpp_sim.cli.kinds.kinds = kinds
main(["kinds"])
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_request_that_native_code_swallows_is_made_again(name: str, code: int) -> None:
    """Python can only ignore what is raised in a callback from compiled code; the command stops all the same."""
    started = time.monotonic()
    found = subprocess.run([sys.executable, "-c", LOST.format(name=name)], capture_output=True, text=True, check=False)
    assert found.returncode == code
    assert found.stderr.strip() == "stopped"
    assert time.monotonic() - started < 15.0, "it waited for what the command was waiting for"


def test_two_runs_into_one_folder_leave_that_of_one(before: Path, tmp_path: Path) -> None:
    shutil.copytree(before / "out", tmp_path / "out")
    both = [started(tmp_path, "run", TINY, *SHORT, "--no-page", "--out", "out") for _ in range(2)]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in both] == [("", 0)] * 2
    assert names(tmp_path) == ["out"]
    assert "report.html" not in names(tmp_path / "out")
    assert run(tmp_path, "verify", "out") == (0, "")


def limited(size: int) -> Any:
    """What makes every file of a process end after `size` bytes, as a quota does."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.parametrize("words", [["run", TINY, *SHORT, "--out", "out"], ["report", "out"]])
def test_a_full_disk_keeps_the_earlier_result(before: Path, tmp_path: Path, words: list[object]) -> None:
    shutil.copytree(before / "out", tmp_path / "out")
    earlier = digests(tmp_path / "out")
    code, told = run(tmp_path, *words, preexec_fn=limited(20_000))
    assert code == 2
    assert told.startswith("out: cannot be written: File too large; ")
    assert digests(tmp_path / "out") == earlier
    assert names(tmp_path) == ["out"]


#: Runs in a namespace of its own, where anybody may mount: a disk of 4 MB on the folder given, full but for some kB.
ON_A_FULL_DISK = """
import json, os, shutil, subprocess, sys
from hashlib import sha256
from pathlib import Path

place, earlier, kilobytes, *words = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
os.chdir(place)
if earlier:
    shutil.copytree(earlier, "out")

def held():
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in Path("out").rglob("*") if path.is_file()}

def run(*more):
    done = subprocess.run([sys.executable, "-m", "vpp_sim", *words, *more], capture_output=True, text=True)
    return [done.returncode, done.stderr]

before = held()
left = os.statvfs(".")
Path("filler").write_bytes(bytes(left.f_bavail * left.f_frsize - 1024 * int(kilobytes)))
full = run()
whole, names = held() == before, sorted(os.listdir("."))
os.remove("filler")
after = run("--resume") if words[0] == "sweep" else [0, ""]
print(json.dumps({"full": full, "whole": whole, "names": names, "after": after, "files": sorted(held())}))
"""


def on_a_full_disk(folder: Path, earlier: Path | str, kilobytes: int, *words: object) -> dict[str, Any]:
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces of one's own on this system")
    command = [*own, sys.executable, "-c", ON_A_FULL_DISK, folder, earlier, kilobytes, *words]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
    if "mount: " in done.stderr:
        pytest.skip("no disk in memory can be mounted on this system")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", TINY, *SHORT, "--out", "out"], "nothing was left behind"),
        (["report", "out"], "it is as it was"),
        (["size", TINY, *SIZE, "--out", "out"], "nothing was left behind"),
    ],
)
def test_a_disk_that_is_really_full_keeps_the_earlier_result(
    before: Path, tmp_path: Path, words: list[object], told: str
) -> None:
    """100 kB are left: some files can be written, and are gone again."""
    found = on_a_full_disk(tmp_path, before / "out", 100, *words)
    assert found["full"] == [2, f"out: cannot be written: No space left on device; {told}\n"]
    assert found["whole"]
    assert found["names"] == ["filler", "out"]


def test_a_sweep_on_a_full_disk_goes_on_once_there_is_room(tmp_path: Path) -> None:
    """The table of a sweep that ran out of space is that of one that did not."""
    study = tmp_path / "study.yaml"
    study.write_text(
        f"name: small\nbase: {TINY}\nset: {{horizon.days: 1}}\nbaseline: false\nseries: true\n"
        "vary: {pv.capacity_kw: {from: 100, to: 600, step: 100}}\n"
    )
    (tmp_path / "disk").mkdir()
    found = on_a_full_disk(tmp_path / "disk", "", 80, "sweep", study, "--out", "out", "--workers", 1)
    code, told = found["full"]
    assert code == 2
    assert "No space left on device; " in told
    assert "--resume goes on with the other" in told
    assert found["after"] == [0, ""]
    assert "out/results.parquet" in found["files"]
    assert len([name for name in found["files"] if name.startswith("out/series/case-")]) == 6
    assert not [name for name in found["files"] if "/." in name and not name.endswith("/.lock")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full on this system")
def test_printing_to_a_full_disk_is_a_message() -> None:
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "vpp_sim", "kinds"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert found.returncode == 2
    assert found.stderr == b"No space left on device\n"


def test_streams_may_be_closed(tmp_path: Path) -> None:
    code = (
        "import os, sys\nos.close(1)\nos.close(2)\nos.execv(sys.executable, [sys.executable, '-m', 'vpp_sim', 'kinds'])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


def test_a_place_that_cannot_be_used_is_refused_before_anything_is_computed(tmp_path: Path, monkeypatch: Any) -> None:
    """Read-only folders are told to the process, since whoever runs the tests may be allowed everything."""
    from vpp_sim.cli.main import exit_code
    from vpp_sim.errors import InputError
    from vpp_sim.report.folder import check_place

    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work")
    monkeypatch.setattr("vpp_sim.kpi.simulate", lambda *words, **more: pytest.fail("computed in vain"))
    monkeypatch.setattr("vpp_sim.studies.sizing.size", lambda *words, **more: pytest.fail("computed in vain"))
    for command in ("run", "size", "proforma"):
        assert exit_code([command, str(TINY), "--out", str(tmp_path / "taken")]) == 2
        assert exit_code([command, str(TINY), "--out", str(tmp_path / "taken" / "thesis.txt" / "deeper")]) == 2
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="is read-only; choose another --out"):
        check_place(tmp_path / "new" / "deeper")
    assert names(tmp_path) == ["taken"]


def test_paths_may_have_spaces_and_any_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario lies elsewhere and is read-only; results go below the folder that the command is run in."""
    from vpp_sim.cli.main import exit_code

    (tmp_path / "Größe é").mkdir()
    site = tmp_path / "Größe é" / "站点 一.yaml"
    site.write_text(TINY.read_text().replace("name: Tiny site", "name: 站点 <b>😀"), encoding="utf-8")
    site.chmod(0o444)
    (tmp_path / "other place").mkdir()
    monkeypatch.chdir(tmp_path / "other place")
    assert exit_code(["run", str(site), *SHORT]) == 0
    assert exit_code(["verify", "results/站点 一"]) == 0
    assert "站点 &lt;b&gt;😀" in (tmp_path / "other place" / "results" / "站点 一" / "report.html").read_text("utf-8")


def test_a_name_too_long_for_files_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    from vpp_sim.errors import InputError
    from vpp_sim.scenario import load_scenario

    (tmp_path / "site.yaml").write_text(TINY.read_text().replace("\n  charging:", f"\n  {'a' * 101}:"))
    with pytest.raises(InputError, match="name must be at most 100 letters, got 101"):
        load_scenario(tmp_path / "site.yaml")


def test_what_cannot_be_written_is_told_by_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vpp_sim.cli.main import exit_code

    for words in (
        ["init", "no/site.yaml"],
        ["schema", "--out", "no/schema.json"],
        ["export", str(TINY), "--lp", "no/x"],
    ):
        assert exit_code([word.replace("no/", f"{tmp_path}/no/") for word in words]) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"{tmp_path}/no/")
        assert "/." not in told


def test_without_a_folder_for_compiled_code_it_is_compiled_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As numba says it where neither the package nor a home may be written to."""
    import numba

    from vpp_sim.components import ev_hand_back

    plain = numba.njit

    def njit(*words: Any, cache: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function '_hand_back': no locator available for file")
        return plain(*words)

    monkeypatch.setattr(numba, "njit", njit)
    ev_hand_back._kernel.cache_clear()
    assert callable(ev_hand_back._kernel())
    ev_hand_back._kernel.cache_clear()
