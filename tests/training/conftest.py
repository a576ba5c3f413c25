from tests.training.runs import compilation_cache

__all__ = ["compilation_cache"]
