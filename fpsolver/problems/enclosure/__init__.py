"""Rigorous two-sided bounds of exit times by comparison with a computed function."""
