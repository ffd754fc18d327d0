"""Run folders: never shared, never half written, honest about how a run stands."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.train import Run


def test_runs_started_at_one_instant_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: RunFolder.create(tmp_path, "same"), range(64)))
    assert len({f.path for f in folders}) == 64


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_a_name_that_is_no_folder_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunFolderError):
        RunFolder.create(tmp_path, name)


def test_a_taken_name_is_refused_when_asked_for(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "a", exact=True)
    with pytest.raises(RunFolderError, match="not yet taken"):
        RunFolder.create(tmp_path, "a", exact=True)


def test_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="choose a folder that can be written"):
        RunFolder.create(tmp_path / "file", "run")


def test_opening_what_is_no_run_suggests_a_near_one(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "digits").write("spec.yaml", "")
    with pytest.raises(RunFolderError, match="did you mean 'digits'"):
        RunFolder.open(tmp_path / "digts")


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    with folder.lock(), pytest.raises(RunFolderError, match="another process"), folder.lock():
        pass
    with folder.lock():
        pass


def test_a_running_run_whose_process_is_gone_reads_interrupted(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    with folder.lock():
        folder.set_status("running")
        assert folder.status()["state"] == "running"
    assert folder.status()["state"] == "interrupted"


def test_metrics_keep_nan_and_forget_a_torn_line(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    folder.append_metrics({"step": 1, "loss": 1.0})
    folder.append_metrics({"step": 2, "loss": float("inf")})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert [row["loss"] for row in folder.metrics()] == [1.0, float("inf")]
    folder.keep_metrics(1)
    assert len(folder.metrics()) == 1


def test_a_damaged_specification_is_named(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "a")
    folder.write("spec.yaml", "nonsense: [\n")
    with pytest.raises(RunFolderError, match=r"a/spec\.yaml") as caught:
        _ = Run(folder).spec
    assert "\n" not in caught.value.found
