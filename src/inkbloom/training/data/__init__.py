"""A person's own pictures as what a training is given: `survey` looks at them, `Dataset` makes steps of them."""
