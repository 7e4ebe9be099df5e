"""Methods for requests that arrive one after the other: each is answered without the data of training."""
