"""Class unlearning by concepts: what links inputs to a class, and training data in which it is overwritten."""
