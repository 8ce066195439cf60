"""Files and folders are whole or absent, replaced at once, and no request to stop leaves anything half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vpp_sim.whole_files import undisturbed, whole_file, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ZeroDivisionError()])
def test_what_fails_leaves_the_old_as_it_was_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("old")
    for place in (whole_file(tmp_path / "file"), whole_folder(tmp_path / "folder")):
        with pytest.raises(type(error)), place as made:  # noqa: PT012
            (made / "file" if made.is_dir() else made).write_text("new")
            raise error
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "file").read_text() == "old"


def test_what_succeeds_replaces_all_of_the_old(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "left over").write_text("old")
    with whole_folder(tmp_path / "folder") as made:
        (made / "file").write_text("new")
    with whole_file(tmp_path / "file") as path:
        path.write_text("new")
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == ["file"]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    long = "é" * 127
    with whole_folder(tmp_path / long) as made, whole_file(made / long) as path:
        path.write_text("new")
    assert names(tmp_path) == names(tmp_path / long) == [long]


def test_a_place_that_is_taken_meanwhile_is_not_overwritten_by_halves(tmp_path: Path) -> None:
    """What cannot be moved into place is a clear error, and the other's content stays."""
    with pytest.raises(OSError), whole_folder(tmp_path / "place") as made:  # noqa: PT012
        (made / "file").write_text("new")
        (tmp_path / "place").write_text("somebody else's")
    assert (tmp_path / "place").read_text() == "somebody else's"
    assert names(tmp_path) == ["place"]


def test_a_request_to_stop_waits_for_the_end_of_what_must_not_be_disturbed() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with undisturbed():
            with undisturbed():
                signal.raise_signal(signal.SIGINT)
                done.append("inner")
            done.append("outer")
        done.append("after")
    assert done == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_write_as_well(tmp_path: Path) -> None:
    """Signals are the first thread's; the others have none to hold back."""

    def write() -> None:
        with whole_folder(tmp_path / "folder") as made:
            (made / "file").write_text("new")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert names(tmp_path / "folder") == ["file"]


WRITER = """
import sys
from pathlib import Path
from vpp_sim.whole_files import whole_folder
for turn in range(40):
    with whole_folder(Path(sys.argv[1])) as made:
        for number in range(5):
            (made / f"{number}").write_text(sys.argv[2])
"""


def test_many_processes_writing_one_folder_leave_that_of_one(tmp_path: Path) -> None:
    """Real processes, each replacing the folder forty times: never a mixture, never an error, nothing left over."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "folder"), str(name)], stderr=subprocess.PIPE)
        for name in range(3)
    ]
    assert [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers] == [(b"", 0)] * 3
    assert names(tmp_path) == ["folder"]
    assert len({path.read_text() for path in (tmp_path / "folder").iterdir()}) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limit on the size of files on this system")
def test_a_full_disk_leaves_the_old_as_it_was(tmp_path: Path) -> None:
    """A real limit on the size of files, as a quota sets it."""
    import resource

    (tmp_path / "file").write_text("old")
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with whole_file(tmp_path / "file") as path:
                path.write_bytes(b"x" * 100_000)
        except OSError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]
