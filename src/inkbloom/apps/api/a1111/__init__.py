"""A1111's REST API, so that programs written for it work unchanged.

fields         its bodies and defaults              translating    into our request
painting       txt2img, img2img                     extras         enlarging, PNG info
lists          samplers, models, ...                state          progress, options, memory
controlnet     the extension's endpoints            units          its units, into ours
refusals       what is not there                    errors         in its shape
"""

from inkbloom.apps.api.a1111 import controlnet, extras, lists, painting, refusals, state

ROUTERS = (painting.router, extras.router, lists.router, state.router, controlnet.router, refusals.router)
