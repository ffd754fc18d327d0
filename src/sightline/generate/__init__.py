"""Decoding text from any scores of next tokens, asking a model by prompts, and sampling images."""

from sightline.generate.beam_search import Beam, beam_search
from sightline.generate.cached_scores import CachedScores, FullScores
from sightline.generate.chain_rule import ChainRule
from sightline.generate.classifier_ascent import ClimbedImages, ascend, climbed_images
from sightline.generate.completion import completed
from sightline.generate.completion_views import completion_views
from sightline.generate.continuation import Continuation
from sightline.generate.continuous_distribution import Continuous, Normal, Numerical
from sightline.generate.ddim import DDIM
from sightline.generate.ddpm import DDPM
from sightline.generate.decoding_copy import PackedLinear, decoding_copy
from sightline.generate.diffused_images import sampler_of
from sightline.generate.diffusion_chain import forward_chain, reverse_chain
from sightline.generate.diffusion_views import diffusion_views
from sightline.generate.discrete_distribution import Discrete, inverse_categorical
from sightline.generate.failing_denoisers import means_only
from sightline.generate.few_shot import Answers, FewShot
from sightline.generate.frechet_distance import frechet_distance
from sightline.generate.generation import generate
from sightline.generate.greedy import Greedy
from sightline.generate.guidance import Guided
from sightline.generate.image_sampling import SAMPLERS, SampledImages, sample_images
from sightline.generate.image_views import VIEWERS, View, image_views
from sightline.generate.interpolation import between_chances, between_images, interpolated, line
from sightline.generate.inverse_cdf import Distribution, sample_from, uniforms
from sightline.generate.judge import Judge, Seen
from sightline.generate.judgement import Judgement, judged
from sightline.generate.label_likelihood import label_log_likelihoods, masked_label_log_likelihoods
from sightline.generate.latent_coder import reconstructed
from sightline.generate.latent_map import latent_map
from sightline.generate.latent_sampling import decoded
from sightline.generate.latent_views import autoencoder_views, generator_views, variational_views
from sightline.generate.mixed_distribution import Mixed
from sightline.generate.nearest_neighbour import (
    Memorisation,
    NearestImages,
    Nearness,
    memorisation,
    nearest_images,
    share_below,
)
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
    "VIEWERS",
    "Answers",
    "Banned",
    "Beam",
    "CachedScores",
    "ChainRule",
    "ClimbedImages",
    "Continuation",
    "Continuous",
    "Discrete",
    "Distribution",
    "FewShot",
    "FullScores",
    "Greedy",
    "Guided",
    "Judge",
    "Judgement",
    "Limits",
    "Memorisation",
    "Mixed",
    "NearestImages",
    "Nearness",
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
    "Seen",
    "TextStream",
    "View",
    "ascend",
    "autoencoder_views",
    "beam_search",
    "between_chances",
    "between_images",
    "climbed_images",
    "completed",
    "completion_views",
    "decode_stepwise",
    "decoded",
    "decoding_copy",
    "diffusion_views",
    "distributional_transform",
    "draw",
    "forward_chain",
    "frechet_distance",
    "generate",
    "generate_text",
    "generator_views",
    "image_views",
    "interpolated",
    "inverse_categorical",
    "judged",
    "keep_nucleus",
    "keep_top_k",
    "label_log_likelihoods",
    "latent_map",
    "line",
    "load_diffusion",
    "masked_label_log_likelihoods",
    "means_only",
    "memorisation",
    "nearest_images",
    "probability_integral_transform",
    "randomised_transport",
    "reconstructed",
    "reverse_chain",
    "sample_from",
    "sample_images",
    "sample_pixels",
    "sample_scanned",
    "sampler_of",
    "share_below",
    "transport",
    "uniform_within",
    "uniforms",
    "variational_views",
]
