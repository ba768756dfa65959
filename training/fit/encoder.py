"""A classifier made of any encoder: pooled hidden states, normalised, and one linear head.

This is how most sentence encoders were trained to be read (Reimers & Gurevych 2019,
https://arxiv.org/abs/1908.10084), so little has to change for a new task.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize
from transformers import AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import cached_file

POOLING = "text_pooling"  # in config.json: what the head reads; a DistilBERT's own head has none
WEIGHTS = "model.safetensors"
HEAD_DROPOUT = 0.1

Pooling = Literal["first", "mean"]


def read_pooling(folder: Path) -> Pooling:
    """Return what the head of a trained model reads."""
    pooling: Pooling = json.loads((folder / "config.json").read_text()).get(POOLING, "first")
    return pooling


class EncoderClassifier(torch.nn.Module):
    """An encoder and a linear head on its first hidden state, or on the mean of all of them.

    Its folder is one of a `transformers` encoder; the head's weights are in the same file.
    """

    def __init__(self, encoder: PreTrainedModel, labels: Sequence[str], pooling: Pooling) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None  # an extra layer for the first token that nothing here reads
        encoder.config.update(
            {
                POOLING: pooling,
                "architectures": [type(encoder).__name__],
                "id2label": dict(enumerate(labels)),
                "label2id": {label: index for index, label in enumerate(labels)},
                "dtype": torch.float32,
            }
        )
        self.pooling = pooling
        self.base_model_prefix = encoder.base_model_prefix  # `transformers` finds the weights by it
        self.add_module(self.base_model_prefix, encoder)
        self.dropout = torch.nn.Dropout(HEAD_DROPOUT)
        self.classifier = torch.nn.Linear(encoder.config.hidden_size, len(labels))
        torch.nn.init.normal_(self.classifier.weight, std=0.02)
        torch.nn.init.zeros_(self.classifier.bias)
        self.float()

    @classmethod
    def load(cls, source: str, config: PretrainedConfig) -> Self:
        """Load what ``save_pretrained`` wrote into a folder, or to a hub.

        Raises:
            OSError: there are no weights.
            ValueError: the weights are those of another model.
        """
        encoder = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
        labels = [label for _, label in sorted(config.id2label.items())]
        model = cls(encoder, labels, getattr(config, POOLING))
        try:
            model.load_state_dict(load_file(str(cached_file(source, WEIGHTS))))
        except RuntimeError as error:
            raise ValueError(f"{WEIGHTS} does not fit config.json") from error
        return model.eval()

    def save_pretrained(self, folder: Path | str) -> None:
        """Write the configuration, and the weights as safetensors."""
        self.config.save_pretrained(folder)
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, Path(folder) / WEIGHTS, {"format": "pt"})

    @property
    def base_model(self) -> PreTrainedModel:
        """The encoder."""
        encoder: PreTrainedModel = getattr(self, self.base_model_prefix)
        return encoder

    @property
    def config(self) -> Any:
        """The encoder's configuration, which also names the labels and the pooling."""
        return self.base_model.config

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, **options: bool
    ) -> SequenceClassifierOutput:
        """Return logits in fp32, and what else the options ask the encoder for."""
        output = self.base_model(input_ids=input_ids, attention_mask=attention_mask, **options)
        features = self.extract_features(output.last_hidden_state, attention_mask)
        with torch.autocast(features.device.type, enabled=False):
            logits = self.classifier(self.dropout(features))
        states = output.get("hidden_states")
        if states is not None:  # some encoders, such as ModernBERT, list the last one unnormalised
            states = (*states[:-1], output.last_hidden_state)
        return SequenceClassifierOutput(
            logits=logits,
            hidden_states=states,
            attentions=output.get("attentions"),
        )

    def extract_features(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool hidden states into what the head reads: vectors of length 1, in fp32."""
        return normalize(self.pool(states.float(), mask), dim=-1)

    def pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the first state of each text, or the mean over its tokens, without padding."""
        if self.pooling == "first":
            return states[:, 0]
        return (states * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
