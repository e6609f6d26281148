"""A recording goes in; the files of its report come out. Text for people is made here and in ``formatting``."""
