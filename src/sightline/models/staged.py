"""Networks made of stages, one after the other: the layout of all our image models."""

from jaxtyping import Float
from torch import Tensor, nn

from sightline.models.predictor import Predictor


class StagedPredictor(Predictor):
    """features(x) = gather(stage_n(… stage_1(x))).

    Subclasses set ``self.stages``, each element taking what the one before gives, and ``self.head``. What stands
    between two stages can be looked at, cut off there, or given a head of its own, without knowing the family.

    Shapes:
        x (batch, channels, height, width) → maps (batch, C, H, W) or tokens (batch, N, D) after each stage
        → features (batch, num_features)

    Lecture: V1-V3, V9
    """

    stages: nn.Sequential

    def gather(self, maps: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch num_features"]:
        """Features from what any stage gives: the mean over the positions of maps; flat ones as they are."""
        return maps.mean((2, 3)) if maps.dim() == 4 else maps

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_features"]:
        """What the last stage gives, gathered."""
        maps: Tensor = self.stages(x)
        return self.gather(maps)
