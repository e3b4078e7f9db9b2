"""ComfyUI's graph: from the node that samples back to the texts, the size, the checkpoint and the LoRAs.

A node is `{"class_type": ..., "inputs": {name: value or ["node", output]}}`. Extensions may add any node, so this is a
best effort: only links are followed, and what stands on the way and is not understood is told. LoRAs, which have nodes
of their own there, become tags behind the prompt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, TypeAlias

from inkbloom.pipelines.metadata.names import sampler_name, schedule_name
from inkbloom.pipelines.metadata.record import (
    Metadata,
    make_metadata,
    mapping_of,
    model_name,
    network_tags,
    parse_json,
    text_of,
)
from inkbloom.text.prompt.networks import KINDS

_SAMPLER_NODES = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
_PARTS = ("noise", "guider", "sampler", "sigmas")
"""Inputs of the custom samplers whose nodes hold the rest of the settings."""
_SIGMA_NODES = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "polyexponential",
    "AlignYourStepsScheduler": "align_your_steps",
    "BetaSamplingScheduler": "beta",
}
_VALUE_KEYS = ("value", "text", "string", "seed", "int", "float", "number")
"""Where nodes that only hold a value keep it."""
_Lora: TypeAlias = "tuple[str, Any, Any]"
"""Its file, and its weights in the text encoder and in the U-Net."""
# Larger ones are no one's work, but would take long
_MAX_NODES, _MAX_SAMPLERS = 5_000, 50


def read_graph(text: str) -> Metadata | None:
    """What ComfyUI's graph says; None for other JSON or other text. WebP has "prompt:" before it."""
    data = parse_json(text.removeprefix("prompt:"))
    nodes = {key: node for key, node in (data or {}).items() if isinstance(node, dict) and "class_type" in node}
    if not nodes or len(nodes) > _MAX_NODES:
        return None
    return _Graph(nodes).read(text)


class _Graph:
    def __init__(self, nodes: dict[str, dict[str, Any]]) -> None:
        self.nodes = nodes
        self.warnings: list[str] = []

    def read(self, raw: str) -> Metadata:
        inputs = self._sampler()
        prompt, clip = self._text(inputs.get("positive", inputs.get("conditioning")))
        negative, _ = self._text(inputs.get("negative"))
        size = self._first(inputs.get("latent_image"), "width", "height")
        model, loras = self._model(inputs.get("model"))
        if prompt is None:
            self.warnings.append("The graph has no text that leads to its sampler.")
        elif any(f"<{kind}:" in prompt for kind in KINDS):
            self.warnings.append("The prompt holds tags such as <lora:...>, which are words to ComfyUI and files here.")
        tags = network_tags("lora", loras, self.warnings)
        values = {key: self._value(inputs.get(key)) for key in ("steps", "cfg", "sampler_name", "denoise", "rho")}
        seed = self._value(inputs.get("seed", inputs.get("noise_seed")))
        schedule = self._value(inputs.get("scheduler")) or inputs.get("sigmas_schedule")
        self._warn_of_parts(inputs, values["denoise"], schedule)
        return make_metadata(
            "ComfyUI",
            (prompt or "") + tags,
            negative or "",
            fields={
                name: value
                for name, value in {
                    **values,
                    "seed": seed,
                    "scheduler": schedule,
                    **size,
                    "ckpt_name": model,
                    "loras": loras,
                }.items()
                if value not in (None, [])
            },
            settings={
                "dialect": "comfy",
                "steps": values["steps"],
                "sampler": sampler_name(text_of(values["sampler_name"])) or None,
                "schedule": schedule_name(text_of(schedule)) or None,
                "guidance_scale": values["cfg"],
                "seed": seed,
                "width": size.get("width"),
                "height": size.get("height"),
                "rho": values["rho"],
                "clip_skip": self._clip_skip(clip),
                "model": model_name(model),
                "noise_source": "cpu",
            },
            raw=raw,
            warnings=self.warnings,
        )

    def _sampler(self) -> dict[str, Any]:
        """The inputs of the sampler that starts from an empty latent (else of the first), with those of its parts."""
        samplers = [node for node in self.nodes.values() if node["class_type"] in _SAMPLER_NODES]
        if not samplers:
            self.warnings.append("The graph has no sampler that we know.")
            return {}
        from_empty = next(filter(self._starts_empty, samplers[:_MAX_SAMPLERS]), None)
        if len(samplers) > 1:
            self.warnings.append(f"The graph samples {len(samplers)} times; the first pass is read.")
        if from_empty is None:
            self.warnings.append("The graph starts from a picture, not from an empty latent.")
        inputs = dict(_inputs(from_empty or samplers[0]))
        for part in _PARTS:
            node = self._node(inputs.get(part))
            if node is not None:
                inputs |= {name: value for name, value in _inputs(node).items() if name not in inputs}
                if part == "sigmas":
                    inputs["sigmas_schedule"] = _SIGMA_NODES.get(text_of(node["class_type"]))
        return inputs

    def _starts_empty(self, sampler: dict[str, Any]) -> bool:
        before = self._upstream(_inputs(sampler).get("latent_image"), stop=_SAMPLER_NODES)
        return any("Empty" in text_of(node["class_type"]) for node in before)

    def _warn_of_parts(self, inputs: dict[str, Any], denoise: Any, schedule: Any) -> None:
        if isinstance(denoise, int | float) and denoise < 1:
            self.warnings.append(f"denoise {denoise}: it continues a picture, which has no counterpart here.")
        begin, end = self._value(inputs.get("start_at_step")), self._value(inputs.get("end_at_step"))
        steps = self._value(inputs.get("steps"))
        if begin or (isinstance(end, int) and isinstance(steps, int) and end < steps):
            self.warnings.append(f"It samples the steps {begin or 0} to {end} only, which has no counterpart here.")
        if schedule == "beta":
            self.warnings.append(
                "ComfyUI's schedule \"beta\" spaces time steps; here it spaces sigmas, as A1111's does."
            )
        batch = self._first(inputs.get("latent_image"), "batch_size").get("batch_size")
        if isinstance(batch, int) and batch > 1:
            self.warnings.append(f"It is one of {batch} pictures that ComfyUI drew from one stream of noise.")

    def _text(self, link: Any) -> tuple[str | None, dict[str, Any] | None]:
        """The first text upstream of a conditioning, and the node that encodes it."""
        met: list[str] = []
        for node in self._upstream(link):
            inputs = _inputs(node)
            for key in ("text", "text_g", "prompt", "string"):
                value = self._value(inputs.get(key))
                if isinstance(value, str) and "clip" in inputs:
                    self.warnings += [f"The node {name} has no counterpart here." for name in met]
                    return value, node
            met.append(text_of(node["class_type"]))
        return None, None

    def _model(self, link: Any) -> tuple[str | None, list[_Lora]]:
        """The checkpoint, and the LoRAs between it and the sampler, the first applied first."""
        loras: list[_Lora] = []  # the last applied first
        for node in self._upstream(link):
            inputs = _inputs(node)
            found = [*self._loras(inputs)]
            loras += reversed(found)
            name = self._value(inputs.get("ckpt_name", inputs.get("unet_name")))
            if isinstance(name, str) and not found:
                return name, loras[::-1]
        return None, loras[::-1]

    def _loras(self, inputs: dict[str, Any]) -> Iterator[_Lora]:
        """Those of ComfyUI's own loaders, and those of rgthree's, which has several."""
        name, strength = (self._value(inputs.get(key)) for key in ("lora_name", "strength_model"))
        if isinstance(name, str):
            yield name, self._value(inputs.get("strength_clip", 0)), strength
        for entry in filter(lambda entry: mapping_of(entry).get("on"), inputs.values()):
            strength = entry.get("strength")
            text = entry.get("strengthTwo")
            yield text_of(entry.get("lora")), strength if text is None else text, strength

    def _clip_skip(self, encoder: dict[str, Any] | None) -> int | None:
        layer = self._first(_inputs(encoder or {}).get("clip"), "stop_at_clip_layer").get("stop_at_clip_layer")
        return -layer if isinstance(layer, int) and layer < 0 else None

    def _first(self, link: Any, *names: str) -> dict[str, Any]:
        """The values of the first node upstream that has all of the inputs."""
        for node in self._upstream(link):
            inputs = _inputs(node)
            if all(name in inputs for name in names):
                return {name: self._value(inputs[name]) for name in names}
        return {}

    def _upstream(self, link: Any, stop: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
        """The nodes that a link leads to, each once, the nearest first; not beyond nodes of the classes in `stop`."""
        waiting, seen = deque([link]), set()
        while waiting:
            node = self._node(waiting.popleft())
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            yield node
            if node["class_type"] not in stop:
                waiting += [value for value in _inputs(node).values() if isinstance(value, list)]

    def _node(self, link: Any) -> dict[str, Any] | None:
        if isinstance(link, list) and len(link) == 2 and isinstance(link[0], str | int):
            return self.nodes.get(str(link[0]))
        return None

    def _value(self, value: Any) -> Any:
        """A value as it stands, or from the node that holds it, by a few links at most."""
        for _ in range(8):
            node = self._node(value)
            if node is None:
                return None if isinstance(value, list | dict) else value
            inputs = _inputs(node)
            value = next((inputs[key] for key in (*_VALUE_KEYS, *inputs) if key in inputs), None)
        return None


def _inputs(node: dict[str, Any]) -> dict[str, Any]:
    return mapping_of(node.get("inputs"))
