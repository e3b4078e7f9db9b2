"""OpenAI's images API: generations, edits, variations, and the list of models.

Beside OpenAI's own fields a request may carry ours: negative_prompt, seed, steps, sampler, guidance_scale, strength.
Pictures come as base64, unless `response_format` asks for a url, which this server answers.
"""

from inkbloom.apps.api.openai.images import router as router
