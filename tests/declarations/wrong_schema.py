"""A file description that is none."""

__schema__ = 0xC77D03DF6A41B505
