"""What every system is compared with."""
