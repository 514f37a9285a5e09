"""What the training programs of several recipes need: one concept per file.

The folder above is mounted at /sust/common in every stage and stands on PYTHONPATH.
"""
