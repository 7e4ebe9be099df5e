"""Small embedded problems that train in seconds."""
