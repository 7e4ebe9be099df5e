"""The checks every system passes, for the packages of others too."""
