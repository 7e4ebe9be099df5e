"""The demonstration: train, retrain, unlearn, attack the results, and say what came out; a file a part."""
