"""Data: what can be loaded, how it is split and standardised, and the batches it comes in."""

from sightline.core.schema import Column, Schema
from sightline.data.batch import Batch
from sightline.data.data import Data
from sightline.data.embedded import DATASETS
from sightline.data.found import Found
from sightline.data.hub import PREFIX as HUB_PREFIX
from sightline.data.inputs import Inputs, read_inputs
from sightline.data.load import load, load_like, load_spec
from sightline.data.look import look
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.standardise import fit_standardiser, standardise
from sightline.data.stream_split import StreamSplit
from sightline.data.tensor_split import TensorSplit
from sightline.data.write_images import write_image_folder

__all__ = [
    "DATASETS",
    "HUB_PREFIX",
    "Batch",
    "Column",
    "Data",
    "DataSpec",
    "Found",
    "Inputs",
    "Schema",
    "Split",
    "StreamSplit",
    "TensorSplit",
    "fit_standardiser",
    "load",
    "load_like",
    "load_spec",
    "look",
    "read_inputs",
    "standardise",
    "write_image_folder",
]
