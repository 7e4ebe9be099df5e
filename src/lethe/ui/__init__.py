"""The comparator: many unlearned models side by side in the browser, screened, contrasted and attacked."""
