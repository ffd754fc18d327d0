"""The game for a ring of Gaussians: runs side by side are runs alone; which kinds of game lose modes."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.errors import ConfigurationError
from sightline.explain import EXPLANATIONS, given, problem
from sightline.explain.mode_collapse import PLAIN, REMEDIED, SETTINGS
from sightline.explain.ring_game import BATCH, LATENT, RingGame, Setting, Stack
from sightline.linear.ring_of_gaussians import ring_of_gaussians
from sightline.objectives.adversarial import Game

RING = ring_of_gaussians()
EVERYTHING = Setting(leak=0.2, batch_norm=True, penalty=0.3, noise=0.4)


def alone(stack: Stack, run: int, x: Tensor) -> Tensor:
    """One run's own network, layer by layer."""
    for i, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
        x = x @ weight[run] + (0 if stack.gains and i < 2 else bias[run])
        if i < 2:
            if stack.gains:
                x = F.batch_norm(x, None, None, stack.gains[i][run, 0], bias[run, 0], training=True)
            x = F.leaky_relu(x, stack.leak)
    return x


def test_both_losses_of_runs_side_by_side_are_those_of_each_alone() -> None:
    """Gradients of all weights, with every remedy on, against a loop over the runs."""
    game = RingGame(RING, EVERYTHING, runs=3, seed=0)
    for stack in (game.maker, game.judge):
        for bias in stack.biases:
            bias.data.normal_(generator=game.chance)
    state = game.chance.get_state()
    judged = torch.autograd.grad(game.judge_loss(), game.judge.parameters())
    made = torch.autograd.grad(game.maker_loss("minimax"), game.maker.parameters())
    game.chance.set_state(state)
    latents = torch.randn(3, BATCH, LATENT, generator=game.chance)
    blur = 0.4 * torch.randn(3, BATCH, 2, generator=game.chance)
    real = RING.draw(3 * BATCH, generator=game.chance).float().reshape(3, BATCH, 2)
    real = real + 0.4 * torch.randn(3, BATCH, 2, generator=game.chance)
    again = torch.randn(3, BATCH, LATENT, generator=game.chance)
    blur_again = 0.4 * torch.randn(3, BATCH, 2, generator=game.chance)
    losses, others = [], []
    for run in range(3):
        x = real[run].requires_grad_()
        odds, wrong = (
            alone(game.judge, run, x),
            alone(game.judge, run, alone(game.maker, run, latents[run]) + blur[run]),
        )
        (slope,) = torch.autograd.grad(odds.sum(), x, create_graph=True)
        penalty = slope.square().sum(1).mean() / 2
        losses.append(F.softplus(-odds).mean() + F.softplus(wrong).mean() + 0.3 * penalty)
        guess = alone(game.judge, run, alone(game.maker, run, again[run]) + blur_again[run])
        others.append(-F.softplus(guess).mean())
    for found, expected in zip(
        [*judged, *made],
        [
            *torch.autograd.grad(torch.stack(losses).sum(), game.judge.parameters()),
            *torch.autograd.grad(torch.stack(others).sum(), game.maker.parameters()),
        ],
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-6)


def test_a_sure_discriminator_leaves_the_minimax_generator_nothing() -> None:
    first, last = RingGame(RING, SETTINGS[PLAIN], runs=3, seed=0).judge_alone([0, 400])
    assert (first.steps, last.steps) == (0, 400)
    assert last.accuracy > max(0.9, first.accuracy)
    assert last.minimax < 0.7 * last.non_saturating
    assert last.minimax / last.non_saturating < 0.5 * first.minimax / first.non_saturating


def test_the_seed_decides() -> None:
    first, again, other = (RingGame(RING, EVERYTHING, runs=2, seed=s).play(3) for s in (0, 0, 1))
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.points, other.points)
    assert not torch.equal(first.points[0], first.points[1])


def test_an_average_of_the_generators_weights_makes_the_points() -> None:
    """θ̄ ← β θ̄ + (1 − β) θ after every update, from the first weights on; the game itself is not changed by it."""
    plain, averaged = (RingGame(RING, Setting(average=share), runs=2, seed=0) for share in (0.0, 0.75))
    weights = [averaged.maker.weights[0].detach().clone()]
    inner = plain.maker_loss

    def noting(game: Game) -> Tensor:
        weights.append(plain.maker.weights[0].detach().clone())
        return inner(game)

    plain.maker_loss = noting  # type: ignore[method-assign]
    averaged.play(4)
    plain.play(4)
    expected = weights[0]
    for after in [*weights[2:], plain.maker.weights[0].detach()]:
        expected = 0.75 * expected + 0.25 * after
    torch.testing.assert_close(averaged.maker.weights[0].detach(), expected)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_plain_game_loses_modes_and_the_remedied_one_keeps_all(capsys: pytest.CaptureFixture[str]) -> None:
    """The claim at its whole length: all of 8 modes in 5 of 5 games, and in no plain one."""
    _, numbers, _ = EXPLANATIONS["mode-collapse"](problem()).tables
    covered = {str(row[0]): [int(modes) for modes in str(row[1]).split()] for row in numbers.rows}
    with capsys.disabled():
        print(f"\n{covered}")
    assert covered[REMEDIED] == [8] * 5
    assert max(covered[PLAIN]) < 8


def test_the_tables_hold_what_was_played() -> None:
    found = EXPLANATIONS["mode-collapse"](problem(), steps=2, runs=2)
    settings, numbers, slopes = found.tables
    assert [row[0] for row in numbers.rows] == list(SETTINGS)
    assert [row[0] for row in settings.rows] == list(SETTINGS)
    assert all(len(str(row[1]).split()) == 2 for row in numbers.rows)
    assert [row[0] for row in slopes.rows] == [0]
    (dots,) = [figure.spec["datasets"]["dots"] for figure in found.figures]
    assert {dot["series"] for dot in dots} == {PLAIN, REMEDIED}


def test_data_have_no_modes_to_count() -> None:
    with pytest.raises(ConfigurationError, match="no data"):
        EXPLANATIONS["mode-collapse"](given(torch.randn(20, 2), torch.randn(20)))
