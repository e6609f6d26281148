"""Proves which pending tasks nothing can wake: the op ``stuck``, for a target that nothing loads."""
