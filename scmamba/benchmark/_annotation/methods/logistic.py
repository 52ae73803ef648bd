"""Logistic regression at scikit-learn's settings."""

from __future__ import annotations

from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Classifier


def logistic(seed: int) -> ClassifierMixin:
    """Plain logistic regression."""
    return LogisticRegression(max_iter=1000, random_state=seed)


def balanced(seed: int) -> ClassifierMixin:
    """Every class counts the same in total."""
    return LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed)


LOGISTIC = AnnotationMethod(Classifier(logistic), "logistic regression")
LOGISTIC_BALANCED = AnnotationMethod(Classifier(balanced), "logistic regression, balanced")
