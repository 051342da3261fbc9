"""What an experiment's study says: questions of the field, each with its answer in sentences.

An experiment is a study written down, the name of the question that is put to its table, and
nothing else; the notebook `experiment.ipynb` opens it, runs it, and prints the answer. Every answer
comes from `workbench.statistics`, so it has an interval, an effect size and a verdict that may be
"inconclusive", and every one names its price.
"""

from workbench.evidence.asked import Answer, Evidence, Question
from workbench.evidence.questions import QUESTIONS
from workbench.evidence.run import Run, resized

__all__ = ["QUESTIONS", "Answer", "Evidence", "Question", "Run", "resized"]
