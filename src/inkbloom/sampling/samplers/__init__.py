"""The samplers: pure functions from noise to a latent, each registered by its decorator.

Importing this package fills the registry. The order of the imports is the order in which interfaces show the samplers:
that of A1111's menu, then those it lacks.
"""

# isort: off
from inkbloom.sampling.samplers import dpmpp as dpmpp
from inkbloom.sampling.samplers import euler as euler
from inkbloom.sampling.samplers import lms as lms
from inkbloom.sampling.samplers import two_stage as two_stage
from inkbloom.sampling.samplers import dpm as dpm
from inkbloom.sampling.samplers import restart as restart
from inkbloom.sampling.samplers import ddim as ddim
from inkbloom.sampling.samplers import plms as plms
from inkbloom.sampling.samplers import unipc as unipc
from inkbloom.sampling.samplers import consistency as consistency
from inkbloom.sampling.samplers import ddpm as ddpm
from inkbloom.sampling.samplers import dpm_solver as dpm_solver
from inkbloom.sampling.samplers import deis as deis
