"""Decoding text from any scores of next tokens, asking a model by prompts, and sampling images."""

from sightline.generate.beam_search import Beam, beam_search
from sightline.generate.cached_scores import CachedScores, FullScores
from sightline.generate.chain_rule import ChainRule
from sightline.generate.continuation import Continuation
from sightline.generate.continuous_distribution import Continuous, Normal, Numerical
from sightline.generate.ddim import DDIM
from sightline.generate.ddpm import DDPM
from sightline.generate.decoding_copy import PackedLinear, decoding_copy
from sightline.generate.diffused_images import sampler_of
from sightline.generate.discrete_distribution import Discrete, inverse_categorical
from sightline.generate.few_shot import Answers, FewShot
from sightline.generate.generation import generate
from sightline.generate.greedy import Greedy
from sightline.generate.guidance import Guided
from sightline.generate.image_sampling import SAMPLERS, SampledImages, sample_images
from sightline.generate.inverse_cdf import Distribution, sample_from, uniforms
from sightline.generate.label_likelihood import label_log_likelihoods, masked_label_log_likelihoods
from sightline.generate.latent_sampling import decoded, interpolated
from sightline.generate.mixed_distribution import Mixed
from sightline.generate.piecewise_uniform import PiecewiseUniform, uniform_within
from sightline.generate.pretrained_diffusion import PretrainedDiffusion, load_diffusion
from sightline.generate.raster_scan import sample_pixels
from sightline.generate.rules import Banned, NoRepeatedNgram, Rule
from sightline.generate.sampling import Sample, draw, keep_nucleus, keep_top_k
from sightline.generate.scanned_images import sample_scanned
from sightline.generate.stepwise import Limits, decode_stepwise
from sightline.generate.text_generation import Passage, generate_text
from sightline.generate.text_stream import TextStream
from sightline.generate.transport import (
    distributional_transform,
    probability_integral_transform,
    randomised_transport,
    transport,
)

__all__ = [
    "DDIM",
    "DDPM",
    "SAMPLERS",
    "Answers",
    "Banned",
    "Beam",
    "CachedScores",
    "ChainRule",
    "Continuation",
    "Continuous",
    "Discrete",
    "Distribution",
    "FewShot",
    "FullScores",
    "Greedy",
    "Guided",
    "Limits",
    "Mixed",
    "NoRepeatedNgram",
    "Normal",
    "Numerical",
    "PackedLinear",
    "Passage",
    "PiecewiseUniform",
    "PretrainedDiffusion",
    "Rule",
    "Sample",
    "SampledImages",
    "TextStream",
    "beam_search",
    "decode_stepwise",
    "decoded",
    "decoding_copy",
    "distributional_transform",
    "draw",
    "generate",
    "generate_text",
    "interpolated",
    "inverse_categorical",
    "keep_nucleus",
    "keep_top_k",
    "label_log_likelihoods",
    "load_diffusion",
    "masked_label_log_likelihoods",
    "probability_integral_transform",
    "randomised_transport",
    "sample_from",
    "sample_images",
    "sample_pixels",
    "sample_scanned",
    "sampler_of",
    "transport",
    "uniform_within",
    "uniforms",
]
