"""A forward pass that breaks: what is told of the input, and what comes through as it was raised."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.models.predictor import Predictor

pytestmark = pytest.mark.usefixtures("as_a_user_calls")


class Small(Predictor):
    """A convolution, a normalisation, dropout and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten())
        self.head = nn.Linear(3 * 4, 2)

    def features(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)
        return found


class Sum(Predictor):
    """Takes a second input beside x."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor, shift: Tensor, *, scale: float) -> Tensor:  # type: ignore[override]
        outputs: Tensor = self.head(x) * scale + shift
        return outputs


class ImpatienceError(ValueError):
    """A user's own."""


RIGHT, TOO_LARGE = torch.ones(2, 1, 4, 4), torch.ones(2, 1, 5, 5)  # 5 × 5 gives 27 features, not 12


def raising(error: BaseException) -> Any:
    def hook(*_: object) -> None:
        raise error

    return hook


@pytest.mark.parametrize(
    "error",
    [
        ImpatienceError("enough"),
        RuntimeError("my own check failed"),
        RuntimeError("sizes of my own do not match"),
        ValueError("shape"),
        IndexError("dimension out of range"),
        torch.OutOfMemoryError("shape"),
        NotImplementedError("shape"),
        MemoryError("shape"),
    ],
)
@pytest.mark.parametrize("where", ["", "body", "body.1"])
@pytest.mark.parametrize("x", [RIGHT, TOO_LARGE])
def test_what_a_users_hook_raises_comes_through(error: Exception, where: str, x: Tensor) -> None:
    model = Small()
    model.get_submodule(where).register_forward_pre_hook(raising(error))
    with pytest.raises(type(error)) as caught:
        model(x)
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 8 bytes, size"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB; shape"),
        RuntimeError("Invalid buffer size: 80.00 GB"),
        RuntimeError("CUDA error: an illegal size of something"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED, size"),
        RuntimeError("Inference tensors cannot be saved for backward"),
        torch.OutOfMemoryError("size"),
        NotImplementedError("size"),
        UnicodeError("size"),
    ],
)
def test_what_the_machine_complains_of_comes_through(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Small()
    scope = {"error": error, "__name__": "torch.nn.modules.conv"}  # raised by a function of torch
    exec("def fail(*_):\n    raise error", scope)
    monkeypatch.setattr(model.body[0], "_conv_forward", scope["fail"])
    with pytest.raises(type(error)) as caught:
        model(RIGHT)
    assert caught.value is error


def test_a_shape_that_does_not_fit_is_told_with_its_layer() -> None:
    with pytest.raises(InputError) as caught:
        Small()(TOO_LARGE)
    assert caught.value.expected.startswith("an input that the layer head can take: Linear(in_features=12")
    assert caught.value.found.startswith("2 × 27 there, from an input of 2 × 1 × 5 × 5: mat1 and mat2 shapes")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(InputError, match=r"the layer body\.0 can take"):
        Small()(torch.ones(2, 3, 4, 4))


def test_the_innermost_layer_is_told_where_one_has_hooks() -> None:
    model = Small()
    model.body.register_forward_pre_hook(lambda *_: None)
    model.body[0].register_forward_hook(lambda *_: None)
    with pytest.raises(InputError, match=r"the layer body\.0 can take") as caught:
        model(torch.ones(2, 3, 4, 4))
    assert "2 × 3 × 4 × 4 there" in caught.value.found


def test_a_failed_call_leaves_no_more_than_the_pass_itself() -> None:
    torch.manual_seed(0)
    model, twin = Small(), Small()
    twin.load_state_dict(model.state_dict())
    counts = []
    model.body.register_forward_hook(lambda *_: counts.append(1))
    torch.manual_seed(1)
    with pytest.raises(RuntimeError):
        nn.Module.__call__(twin, TOO_LARGE)
    generator = torch.get_rng_state()
    torch.manual_seed(1)
    with pytest.raises(InputError):
        model(TOO_LARGE)
    assert model.state_dict()["body.1.num_batches_tracked"] == 1
    assert all(torch.equal(weight, twin.state_dict()[name]) for name, weight in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert len(counts) == 1
    assert all(not m._forward_pre_hooks for m in model.modules())
    assert sum(len(m._forward_hooks) for m in model.modules()) == 1


def test_one_value_for_each_channel_is_too_little_in_training() -> None:
    with pytest.raises(InputError, match=r"layer body\.1 can take") as caught:
        Small()(torch.ones(1, 1, 3, 3))
    assert "larger batches" in caught.value.do
    assert "eval()" in caught.value.do


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8])
def test_another_number_format_is_told(dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match=f"{dtype} inputs for weights in torch.float32"):
        Small()(RIGHT.to(dtype))


def test_a_shape_is_told_even_in_another_number_format() -> None:
    with pytest.raises(InputError, match="27") as caught, torch.autocast("cpu", dtype=torch.bfloat16):
        Small()(TOO_LARGE.bfloat16())
    assert "weights in" not in caught.value.found


def test_another_device_is_told() -> None:
    model = nn.Sequential(Small(), nn.Identity())[0].eval()
    with pytest.raises(InputError, match="inputs on meta for weights on cpu") as caught:
        model(RIGHT.to("meta"))
    assert "device" in caught.value.do


def test_further_inputs_are_no_hindrance() -> None:
    assert Sum()(torch.ones(4, 3), torch.ones(2), scale=2.0).shape == (4, 2)
    with pytest.raises(InputError, match="the layer head can take"):
        Sum()(torch.ones(4, 5), torch.ones(2), scale=2.0)
    with pytest.raises(RuntimeError, match="must match"):  # in the user's own lines
        Sum()(torch.ones(4, 3), torch.ones(5), scale=2.0)
