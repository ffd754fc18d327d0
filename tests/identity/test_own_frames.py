"""A watched program's traceback is the one that it has without a watch."""

import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sightline.diagnose import Watch, watch_script
from sightline.diagnose.own_frames import as_unwatched

PROGRAM = """
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

weight = torch.zeros(3, 2, requires_grad=True)


class Data:
    def __len__(self):
        return 8

    def __getitem__(self, i):
        {draw}
        return torch.ones(3), torch.tensor({label})


def loss(x, y):
    return F.cross_entropy(x @ weight, y)


for x, y in DataLoader(Data(), batch_size=4):
    {call}
"""
IN_A_LOSS = PROGRAM.format(draw="pass", label="7", call="loss(x, y).backward()")
IN_A_METHOD = PROGRAM.format(draw="pass", label="0", call="x.view(5)")
IN_A_BACKWARD = PROGRAM.format(draw="pass", label="0", call="F.relu(x @ weight).backward()")
IN_A_LOADER = PROGRAM.format(draw="1 / 0", label="0", call="loss(x, y)")
IN_A_CLOSURE = PROGRAM.format(draw="pass", label="7", call="torch.optim.SGD([weight], lr=0.1).step(lambda: loss(x, y))")
IN_THE_PROGRAM = PROGRAM.format(draw="pass", label="0", call="loss(x, y) / {}['beans']")
CAUSED = PROGRAM.format(
    draw="pass",
    label="7",
    call="""try:
        loss(x, y)
    except IndexError as error:
        try:
            x.view(5)
        except RuntimeError:
            raise ExceptionGroup("both", [error]) from error""",
)
UNREADABLE = "x = ("


@pytest.mark.parametrize(
    "text", [IN_A_LOSS, IN_A_METHOD, IN_A_BACKWARD, IN_A_LOADER, IN_A_CLOSURE, IN_THE_PROGRAM, CAUSED, UNREADABLE]
)
def test_a_traceback_is_that_of_the_program_alone(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "program.py"
    path.write_text(text)
    monkeypatch.setattr(sys, "argv", [str(path)])
    with pytest.raises((Exception, ExceptionGroup)) as caught:
        runpy.run_path(str(path), run_name="__main__")
    plain: TracebackType | None = caught.value.__traceback__
    while plain is not None and plain.tb_frame.f_code.co_filename != str(path):
        plain = plain.tb_next
    expected = "".join(traceback.format_exception(type(caught.value), caught.value, plain))
    capsys.readouterr()
    record = watch_script(path)
    assert capsys.readouterr().err == expected
    assert record.stopped == f"{type(caught.value).__name__}: {caught.value}"


def test_an_error_of_the_watchs_own_keeps_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.diagnose.loss_watch.counted_targets", _broken)
    with pytest.raises(ValueError, match="mine") as caught, Watch():
        F.mse_loss(torch.ones(2), torch.zeros(2))
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    shown = [frame.name for frame in traceback.extract_tb(as_unwatched(caught.value, tmp_path).__traceback__)]
    assert shown == names


def _broken(*_: object) -> None:
    raise ValueError("mine")


def test_around_a_loop_an_error_goes_on_as_it_is() -> None:
    own = IndexError("own", 3)
    with pytest.raises(IndexError) as caught, Watch():
        raise own
    assert caught.value is own
    assert own.args == ("own", 3)
    assert own.__cause__ is own.__context__ is None


def test_around_a_loop_torchs_errors_are_the_same() -> None:
    net, x, y = nn.Linear(3, 2), torch.ones(4, 3), torch.tensor([0, 1, 5, 0])
    with pytest.raises(IndexError) as alone:
        F.cross_entropy(net(x), y)
    with pytest.raises(IndexError) as watched, Watch(net):
        F.cross_entropy(net(x), y)
    assert type(watched.value) is type(alone.value)
    assert watched.value.args == alone.value.args
