"""Networks: each ``features(x)``, then ``head(...)``; they know no loss, no data set and no training."""

from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.early_exits import EarlyExits
from sightline.models.mlp import MLP, mlp
from sightline.models.predictor import Predictor
from sightline.models.pretrained import Pretrained, from_pretrained, load_pretrained
from sightline.models.registry import MODELS
from sightline.models.resnet_sizes import (
    plain20,
    plain32,
    plain44,
    plain56,
    pre_activation_resnet110,
    pre_activation_resnet164,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)
from sightline.models.staged import StagedPredictor
from sightline.models.task_weights import for_task
from sightline.models.text_predictor import TextPredictor

# last: the builders take the place of the submodules they are named after
from sightline.models.alexnet import AlexNet, SmallAlexNet, alexnet  # isort: skip
from sightline.models.autoencoder import Autoencoder, autoencoder  # isort: skip
from sightline.models.bart import BART, bart, bart_base, bart_large  # isort: skip
from sightline.models.bert import BERT, bert, bert_base, bert_large  # isort: skip
from sightline.models.convnext import (  # isort: skip
    ConvNeXt,
    convnext,
    convnext_base,
    convnext_large,
    convnext_small,
    convnext_tiny,
)
from sightline.models.gan import GAN, gan  # isort: skip
from sightline.models.gated_pixelcnn import GatedPixelCNN, gated_pixelcnn  # isort: skip
from sightline.models.googlenet import GoogLeNet, googlenet  # isort: skip
from sightline.models.gpt import GPT, gpt, gpt2, gpt2_large, gpt2_medium, gpt2_xl  # isort: skip
from sightline.models.image_transformer import ImageTransformer, image_transformer  # isort: skip
from sightline.models.lenet import LeNet5, ModernLeNet5, lenet  # isort: skip
from sightline.models.ode_net import ODENet, ode_net  # isort: skip
from sightline.models.pixelcnn import PixelCNN, pixelcnn  # isort: skip
from sightline.models.resnet import ResNet, plain, resnet  # isort: skip
from sightline.models.t5 import (  # isort: skip
    T5,
    t5,
    t5_base,
    t5_large,
    t5_small,
    t5_v1_1_base,
    t5_v1_1_large,
    t5_v1_1_small,
)
from sightline.models.transformer import (  # isort: skip
    Transformer,
    transformer,
    transformer_base,
    transformer_big,
)
from sightline.models.unet import UNet, unet  # isort: skip
from sightline.models.variational_autoencoder import VAE, LatentOutputs, vae  # isort: skip
from sightline.models.vgg import VGG, vgg, vgg11, vgg13, vgg16, vgg19  # isort: skip
from sightline.models.vit import (  # isort: skip
    ViT,
    vit,
    vit_base_patch16,
    vit_large_patch16,
    vit_small_patch16,
    vit_tiny_patch16,
)
from sightline.models.whitening_net import WhiteningNet, whitening_net  # isort: skip

__all__ = [
    "BART",
    "BERT",
    "GAN",
    "GPT",
    "MLP",
    "MODELS",
    "T5",
    "VAE",
    "VGG",
    "AlexNet",
    "Autoencoder",
    "AuxiliaryOutputs",
    "ConvNeXt",
    "EarlyExits",
    "GatedPixelCNN",
    "GoogLeNet",
    "ImageTransformer",
    "LatentOutputs",
    "LeNet5",
    "ModernLeNet5",
    "ODENet",
    "PixelCNN",
    "Predictor",
    "Pretrained",
    "ResNet",
    "SmallAlexNet",
    "StagedPredictor",
    "TextPredictor",
    "Transformer",
    "UNet",
    "ViT",
    "WhiteningNet",
    "alexnet",
    "autoencoder",
    "bart",
    "bart_base",
    "bart_large",
    "bert",
    "bert_base",
    "bert_large",
    "convnext",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
    "for_task",
    "from_pretrained",
    "gan",
    "gated_pixelcnn",
    "googlenet",
    "gpt",
    "gpt2",
    "gpt2_large",
    "gpt2_medium",
    "gpt2_xl",
    "image_transformer",
    "lenet",
    "load_pretrained",
    "mlp",
    "ode_net",
    "pixelcnn",
    "plain",
    "plain20",
    "plain32",
    "plain44",
    "plain56",
    "pre_activation_resnet110",
    "pre_activation_resnet164",
    "resnet",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "t5",
    "t5_base",
    "t5_large",
    "t5_small",
    "t5_v1_1_base",
    "t5_v1_1_large",
    "t5_v1_1_small",
    "transformer",
    "transformer_base",
    "transformer_big",
    "unet",
    "vae",
    "vgg",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vit",
    "vit_base_patch16",
    "vit_large_patch16",
    "vit_small_patch16",
    "vit_tiny_patch16",
    "whitening_net",
]
