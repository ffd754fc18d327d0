"""Images from an autoregressive network, through the common entrance of all samplers."""

from jaxtyping import Float
from torch import Tensor, nn

from sightline.generate.image_sampling import SAMPLERS, Request
from sightline.generate.raster_scan import sample_pixels
from sightline.models.pixel_predictor import PixelPredictor
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.pixel_prediction import PixelPrediction


@SAMPLERS.register("pixel-prediction")
def sample_scanned(
    model: nn.Module, objective: ImageObjective, request: Request
) -> Float[Tensor, "count channels height width"]:
    """Pixel by pixel, each drawn given those before it.

    Lecture: X2
    """
    assert isinstance(model, PixelPredictor)
    assert isinstance(objective, PixelPrediction)
    height, width = objective.schema.input_shape[1:]
    levels = sample_pixels(
        model, count=request.count, image_size=(height, width), labels=request.labels, generator=request.generator
    )
    return objective.picture(levels)
