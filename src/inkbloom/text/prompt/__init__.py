"""The prompt language: from what a person types to weighted token ids, and on to what conditions which step.

Words, in the order in which a prompt goes through the files:

    template    a text with `{variants}`, `__wildcards__` and `${variables}`; `variants.py` makes plain prompts of it
    style       a named pair of texts that is wrapped around a prompt (`styles.py`)
    network     `<lora:NAME:0.8>` and its like, taken out of the text (`networks.py`)
    part        what stands between two `AND`; each part has a weight (`composition.py`)
    schedule    which text a part has until which step (`schedule.py`)
    segment     a run of text with one weight (`attention.py` for A1111's brackets, `comfy.py` for ComfyUI's)
    chunk       77 token ids with their weights: BOS, at most 75 tokens, EOS, padding (`chunks.py`)
    emphasis    how the weights act on the encoded chunks (`emphasis.py`)

`parsing.parse` goes from the text to segments, `conditioning.PromptEncoder` from there to tensors, and
`inspection.inspect` tells a person what came of the text.
"""
