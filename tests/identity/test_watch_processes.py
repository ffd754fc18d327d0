"""The watch around a loop of several processes (DistributedDataParallel): the same weights, and findings by rank."""

from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from sightline.diagnose import Watch

RANKS, STEPS = 2, 24


def train(rank: int, folder: str, watched: bool) -> None:
    """One rank's loop: its gradients are never zeroed."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{watched}", rank=rank, world_size=RANKS)
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)))
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)
    x = torch.randn(RANKS, 16, 3)[rank]
    watch = Watch(model, sgd)
    if watched:
        watch.__enter__()
    for _ in range(STEPS):
        F.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
        sgd.step()
    if watched:
        watch.__exit__(None, None, None)
    causes = [finding.cause for finding in watch.findings()]
    torch.save((dict(model.module.state_dict()), causes, watch.record.steps), f"{folder}/{watched}-{rank}.pt")
    dist.destroy_process_group()


def test_processes_train_the_same_under_a_watch_and_each_is_diagnosed(tmp_path: Path) -> None:
    for watched in (False, True):
        spawn(train, (str(tmp_path), watched), nprocs=RANKS)
    plain, seen = (
        [torch.load(tmp_path / f"{watched}-{rank}.pt", weights_only=True) for rank in range(RANKS)]
        for watched in (False, True)
    )
    for rank in range(RANKS):
        assert all(torch.equal(plain[0][0][name], seen[rank][0][name]) for name in plain[0][0])
        assert "gradients-not-zeroed" in seen[rank][1]
        assert seen[rank][2] == STEPS
