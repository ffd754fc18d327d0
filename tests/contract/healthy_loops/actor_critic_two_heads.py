"""Advantage actor-critic with a shared body and an entropy bonus, in a small maze."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
SIZE, GOAL = 5, 24
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(SIZE * SIZE, 64), nn.Tanh())
        self.actor, self.critic = nn.Linear(64, 4), nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x)
        return Categorical(logits=self.actor(h)), self.critic(h).squeeze(-1)


model, eye = ActorCritic(), torch.eye(SIZE * SIZE)
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
lengths = []
for episode in range(200):
    place, log_probs, values, rewards, entropy = 0, [], [], [], 0.0
    for t in range(40):
        policy, value = model(eye[place : place + 1])
        action = policy.sample()
        di, dj = MOVES[action.item()]
        i, j = max(0, min(4, place // SIZE + di)), max(0, min(4, place % SIZE + dj))
        place = i * SIZE + j
        log_probs.append(policy.log_prob(action))
        values.append(value)
        rewards.append(1.0 if place == GOAL else -0.02)
        entropy = entropy + policy.entropy().mean()
        if place == GOAL:
            break
    returns, R = [], 0.0
    for r in reversed(rewards):
        R = r + 0.97 * R
        returns.append(R)
    returns = torch.tensor(returns[::-1])
    values, log_probs = torch.cat(values), torch.cat(log_probs)
    advantage = returns - values.detach()
    loss = -(log_probs * advantage).sum() + F.mse_loss(values, returns) - 0.01 * entropy
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    opt.step()
    lengths.append(len(rewards))
first, last = sum(lengths[:20]) / 20, sum(lengths[-20:]) / 20
print("steps to the goal", first, "->", last)
assert last < 15
