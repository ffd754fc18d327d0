"""REINFORCE in a corridor: the loss says little, the reward grows."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
LENGTH = 8


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(LENGTH, 32)
        self.affine2 = nn.Linear(32, 2)

    def forward(self, x):
        return torch.softmax(self.affine2(torch.relu(self.affine1(x))), dim=-1)


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
eye = torch.eye(LENGTH)
scores = []
for episode in range(150):
    place, log_probs, rewards = 0, [], []
    for t in range(40):
        m = Categorical(policy(eye[place].unsqueeze(0)))
        action = m.sample()
        log_probs.append(m.log_prob(action))
        place = max(0, min(LENGTH - 1, place + (1 if action.item() else -1)))
        rewards.append(1.0 if place == LENGTH - 1 else -0.1)
        if place == LENGTH - 1:
            break
    R, returns = 0.0, []
    for r in rewards[::-1]:
        R = r + 0.95 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-8)
    policy_loss = torch.cat([-lp * g for lp, g in zip(log_probs, returns)]).sum()
    optimizer.zero_grad()
    policy_loss.backward()
    optimizer.step()
    scores.append(sum(rewards))
first, last = sum(scores[:15]) / 15, sum(scores[-15:]) / 15
print("reward", first, "->", last)
assert last > 0.2
