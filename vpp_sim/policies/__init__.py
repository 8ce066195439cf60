"""What parks are asked to reach: dated rules as data, each with its document, its source and how sure it is."""

from vpp_sim.policies.load import (
    applying_at,
    load_document,
    policy_names,
    rule_of,
    shipped_documents,
)
from vpp_sim.policies.model import CertificatePrice, PolicyDocument, Rule, Threshold

__all__ = [
    "CertificatePrice",
    "PolicyDocument",
    "Rule",
    "Threshold",
    "applying_at",
    "load_document",
    "policy_names",
    "rule_of",
    "shipped_documents",
]
