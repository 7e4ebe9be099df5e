"""lethe removes data, knowledge or a bias from a trained model, and shows whether it is really gone."""
