"""Generation and clustering beside the same work as it is usually done, in one run.

    python benchmarks/generation.py [k-means] [diffusion-step] [diffusion-samples] [pixels] [--rounds 5] [--quick]

k-means: Lloyd's algorithm and soft k-means at n = 100,000, d = 32, k = 50, in float64 and float32, beside
scikit-learn's ``KMeans(algorithm="lloyd", n_init=1)``: the same points and start, 20 iterations, none stops early.
scikit-learn has no soft k-means; ``GaussianMixture`` with spherical covariances, which learns variances and weights
too, is the nearest it has, and is timed beside it (from the same means). Results are compared before
any time is printed.

diffusion-step: an update of a U-Net (28 × 28, widths 32-64-64) on 128 images beside diffusers' ``UNet2DModel`` with
the same weights, ``DDPMScheduler`` and torch's fused AdamW; ours in float32 and as recommended (bfloat16), as every run
trains. diffusion-samples: 64 images by 25 steps of DDIM from one noise, beside ``DDIMScheduler`` and that network; ours
in float32 and in bfloat16, as a run samples that was trained so.
pixels: 16 images of 28 × 28 by a PixelCNN, with what was computed kept, beside a whole pass for every pixel.

What is compared alternates in rounds, so that whatever else the machine does falls on all; figures are medians with the
smallest and largest, ratios (of times, to the peer's) are those of single rounds. Targets: k-means and soft k-means
≤ 1.5; diffusion ≤ 1/1.2; pixels ≤ 1/5.
"""

import argparse
import importlib
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.generate.ddim import DDIM
from sightline.generate.raster_scan import sample_pixels, sample_pixels_by_full_passes
from sightline.linear.k_means import lloyd
from sightline.linear.soft_k_means import soft_k_means
from sightline.models.hugging_face.unet import convert
from sightline.models.pixelcnn import PixelCNN
from sightline.models.unet import UNet
from sightline.objectives.denoising_diffusion import DenoisingDiffusion
from sightline.optim import SCHEDULES, AdamW
from sightline.train import Supervised

ITERATIONS = 20


def alternate(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each in every round, after one that does not count; every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in list(work.items())[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            do()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def told(name: str, seconds: list[float], peer: list[float]) -> str:
    """Milliseconds and the ratio to the peer's, each as median, smallest and largest."""
    ratios = [mine / theirs for mine, theirs in zip(seconds, peer, strict=True)]
    times = f"{1e3 * statistics.median(seconds):>8,.0f} ms ({1e3 * min(seconds):,.0f} to {1e3 * max(seconds):,.0f})"
    return f"  {name:<26}{times:<30} {statistics.median(ratios):.2f} × ({min(ratios):.2f} to {max(ratios):.2f})"


def k_means(quick: bool, rounds: int) -> None:
    """Lloyd and soft k-means beside scikit-learn."""
    n, d, k = 10_000 if quick else 100_000, 32, 50
    print(f"k-means: n = {n:,}, d = {d}, k = {k}, {ITERATIONS} iterations, {torch.get_num_threads()} threads")
    for dtype in (torch.float64, torch.float32):
        generator = torch.Generator().manual_seed(0)
        X = torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)  # no clusters: none stops early
        start, gamma, rows = X[:k].clone(), 0.5, X.numpy()
        theirs = KMeans(k, init=start.numpy(), n_init=1, max_iter=ITERATIONS, tol=0.0, algorithm="lloyd")
        mixture = GaussianMixture(
            k, covariance_type="spherical", means_init=start.numpy(), tol=0.0, max_iter=ITERATIONS,
            init_params="random_from_data", random_state=0,
        )  # fmt: skip

        def ours(X: torch.Tensor = X, start: torch.Tensor = start) -> object:
            return lloyd(X, start, max_iterations=ITERATIONS, tolerance=0)

        def soft(X: torch.Tensor = X, start: torch.Tensor = start, gamma: float = gamma) -> object:
            return soft_k_means(X, start, gamma, max_iterations=ITERATIONS, tolerance=0)

        found, known = lloyd(X, start, max_iterations=ITERATIONS, tolerance=0), theirs.fit(rows)
        close = float(np.abs(found.centres.numpy() - known.cluster_centers_).max())
        assert found.iterations == known.n_iter_ == ITERATIONS
        assert close < (1e-10 if dtype is torch.float64 else 1e-2), close
        work = {
            "KMeans": lambda theirs=theirs, rows=rows: theirs.fit(rows),
            "lloyd": ours,
            "soft_k_means": soft,
            "GaussianMixture": lambda mixture=mixture, rows=rows: mixture.fit(rows),
        }
        seconds = alternate(work, rounds)
        print(f" {str(dtype).removeprefix('torch.')}; largest difference of a centre from KMeans' {close:.1e}")
        for name, values in seconds.items():
            print(told(name, values, seconds["KMeans"]))


def their_unet(widths: tuple[int, ...]) -> Any:
    """diffusers' U-Net, with weights of its own chance."""
    diffusers: Any = importlib.import_module("diffusers")
    torch.manual_seed(0)
    last = len(widths) - 1
    return diffusers.UNet2DModel(
        in_channels=1,
        out_channels=1,
        block_out_channels=list(widths),
        down_block_types=["AttnDownBlock2D" if i == last else "DownBlock2D" for i in range(len(widths))],
        up_block_types=["UpBlock2D" if i else "AttnUpBlock2D" for i in range(len(widths))],
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=None,
    )


def our_unet(theirs: Any) -> UNet:
    """The same network, with the same weights."""
    arguments, weights = convert(dict(theirs.config), theirs.state_dict())
    ours = UNet(**arguments)
    ours.load_state_dict(weights)
    return ours


def compared(work: Mapping[str, Callable[[], object]], peer: str, rounds: int) -> None:
    """Run in turns and print each beside the peer."""
    seconds = alternate(work, rounds)
    for name, values in seconds.items():
        print(told(name, values, seconds[peer]), flush=True)


def diffusion_step(quick: bool, rounds: int) -> None:
    """One update of the same U-Net, by diffusers and by a run of ours."""
    diffusers: Any = importlib.import_module("diffusers")
    widths, batch = ((16, 32), 8) if quick else ((32, 64, 64), 128)
    print(f"diffusion-step: widths {widths}, {batch} images of 28 × 28, {torch.get_num_threads()} threads")
    x = torch.randn(batch, 1, 28, 28)
    reference, scheduler = their_unet(widths).train(), diffusers.DDPMScheduler(1000)
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-4, fused=True)

    def theirs() -> None:
        noise, times = torch.randn_like(x), torch.randint(0, 1000, (batch,))
        loss = F.mse_loss(reference(scheduler.add_noise(x, noise, times), times, return_dict=False)[0], noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    schema = Schema("image", "none", (1, 28, 28), image_mean=(0.5,), image_std=(0.5,))

    def ours(precision: str) -> Callable[[], object]:
        model = our_unet(their_unet(widths))
        algorithm = Supervised(model, DenoisingDiffusion(schema), AdamW(lr=1e-4), SCHEDULES["constant"]())
        algorithm.setup(Fabric(accelerator="cpu", devices=1, precision=precision), 1000)  # type: ignore[arg-type]
        given = Batch(x, torch.zeros(batch), torch.arange(batch), batch)
        return lambda: algorithm.step(given, detail=False)

    work = {"diffusers": theirs, "ours, float32": ours("32-true"), "ours, bfloat16": ours("bf16-mixed")}
    compared(work, "diffusers", rounds)


def diffusion_samples(quick: bool, rounds: int) -> None:
    """The same images from the same noise, by diffusers and by ours."""
    diffusers: Any = importlib.import_module("diffusers")
    widths, count, steps = ((16, 32), 4, 5) if quick else ((32, 64, 64), 64, 25)
    print(f"diffusion-samples: {count} images, {steps} steps of DDIM, {torch.get_num_threads()} threads")
    reference, start = their_unet(widths).eval(), torch.randn(count, 1, 28, 28)
    # their times are one less than ours, 999 for 1000: they count the steps from 0
    scheduler = diffusers.DDIMScheduler(1000, clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    objective = DenoisingDiffusion(Schema("image", "none", (1, 28, 28), image_mean=(0.5,), image_std=(0.5,)))
    model = our_unet(reference).eval()
    sampler = DDIM(schedule=objective.process, num_steps=steps)

    @torch.no_grad()
    def theirs() -> torch.Tensor:
        x = start
        for t in scheduler.timesteps:
            x = scheduler.step(reference(x, t, return_dict=False)[0], t, x, eta=0.0, return_dict=False)[0]
        return x

    def ours() -> torch.Tensor:
        return sampler.sample(lambda x, t: model(x, t - 1), start)

    def recommended() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return ours()

    reached = theirs()
    differences = [float((reached - images()).abs().max() / reached.abs().max()) for images in (ours, recommended)]
    assert differences[0] < 1e-4, differences
    print(f" largest difference of a pixel {differences[0]:.1e} of the largest, in bfloat16 {differences[1]:.1e}")
    work = {"diffusers": theirs, "ours, float32": ours, "ours, recommended": recommended}
    compared(work, "diffusers", rounds)


def pixels(quick: bool, rounds: int) -> None:
    """Sampling pixel by pixel, with what was computed kept and without."""
    count, side = (2, 8) if quick else (16, 28)
    torch.manual_seed(0)
    model = PixelCNN(width=32, depth=5).eval()
    print(f"pixels: {count} images of {side} × {side}, {torch.get_num_threads()} threads")

    def cached() -> torch.Tensor:
        return sample_pixels(model, count=count, image_size=side, generator=torch.Generator().manual_seed(0))

    def naive() -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return sample_pixels_by_full_passes(model, count=count, image_size=side, generator=generator)

    assert torch.equal(cached(), naive())
    compared({"a pass for every pixel": naive, "kept": cached}, "a pass for every pixel", rounds)


PARTS: dict[str, Callable[[bool, int], None]] = {
    "k-means": k_means,
    "diffusion-step": diffusion_step,
    "diffusion-samples": diffusion_samples,
    "pixels": pixels,
}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in given.parts or PARTS:
            PARTS[part](given.quick, given.rounds)


if __name__ == "__main__":
    main()
