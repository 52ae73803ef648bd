"""Linear support vector machine."""

from __future__ import annotations

from sklearn.base import ClassifierMixin
from sklearn.svm import LinearSVC

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Classifier


def svm(seed: int) -> ClassifierMixin:
    """At scikit-learn's settings; it has no probabilities."""
    return LinearSVC(random_state=seed)


SVM = AnnotationMethod(Classifier(svm), "linear SVM")
