"""Systems that move the weights by gradients."""
