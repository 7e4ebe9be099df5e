"""Tests of the systems that edit weights."""
