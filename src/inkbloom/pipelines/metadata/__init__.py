"""The words that pictures carry about how they were made: reading those of many programs, writing A1111's and our own.

read_metadata(path) -> Metadata                            # which program, prompt, settings, our request
write_picture(picture, file, format="PNG", request=...)    # with A1111's text and our record

containers   where formats of files keep texts: PNG chunks, EXIF, comments
stealth      texts hidden in pixels
record       what every reader gives, and how foreign settings become a request
own          our record: the request and the hashes of the stages, as JSON
a1111        A1111's text, which its forks, Civitai, stable-diffusion.cpp and others write too
comfyui, fooocus, invokeai, novelai        the other programs' JSON
names        their names of samplers and schedules, in ours
writing      pictures with metadata, by how much they may tell
"""

from inkbloom.pipelines.metadata.reading import read_metadata as read_metadata
from inkbloom.pipelines.metadata.record import Metadata as Metadata
from inkbloom.pipelines.metadata.writing import FORMATS as FORMATS
from inkbloom.pipelines.metadata.writing import Privacy as Privacy
from inkbloom.pipelines.metadata.writing import write_picture as write_picture
