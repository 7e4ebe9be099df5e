"""Systems that change the weights in closed form, or merge weights."""
