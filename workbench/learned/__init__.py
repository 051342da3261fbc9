"""Optional metrics that a trained network computes: how well does music fit its words, how far
is one set of clips from another, how pleasing does it sound?

Their weights are large and licensed by others, so nothing here ever downloads: a model is found
on this disk, in a folder or in the Hugging Face cache, or the metric is "not available" with the
command that gets it. Every result names the model and the revision it came from.

These numbers rank sets of clips; none of them has a known error on a single clip, unlike the
rulers of `workbench.analysis`. Importing this package loads neither torch nor transformers.
"""
