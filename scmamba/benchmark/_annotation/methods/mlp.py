"""Multilayer perceptron."""

from __future__ import annotations

from sklearn.base import ClassifierMixin
from sklearn.neural_network import MLPClassifier

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Classifier


def mlp(seed: int) -> ClassifierMixin:
    """One layer of 256 units, stopped early."""
    return MLPClassifier(256, early_stopping=True, random_state=seed)


MLP = AnnotationMethod(Classifier(mlp), "MLP, one layer of 256")
