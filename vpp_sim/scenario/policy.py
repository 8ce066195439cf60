"""The `policy` of a scenario: the rules it is held against, of which year, and green certificates for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vpp_sim.errors import Fault, InputError
from vpp_sim.fields import StrictModel, quantity
from vpp_sim.policies import CertificatePrice, PolicyDocument, applying_at, load_document, rule_of
from vpp_sim.scenario.targets import Target


class Certificates(StrictModel):
    """Green certificates for the grid energy that is left."""

    share: float = quantity("share of the imported energy that certificates are bought for", default=1.0, ge=0, le=1)
    price_per_mwh: float | None = quantity(
        "price of a certificate of 1 MWh; that of the policy documents if left out, where these are in the currency",
        unit="currency/MWh",
        default=None,
        ge=0,
    )


class Policy(StrictModel):
    """Rules that the site is held against; they change no result but the verdicts."""

    year: int | None = quantity(
        "year whose thresholds hold; that of the horizon's start if left out", unit="a", default=None, ge=1990, le=2200
    )
    documents: list[str | dict[str, Any]] | None = quantity(
        "policy documents: names, {path: FILE.yaml}, or documents written out; those of the place if left out",
        default=None,
    )
    park_tce_per_year: float | None = quantity(
        "yearly energy use of the park that the site belongs to; the site's own electricity if left out",
        unit="tce/a",
        default=None,
        gt=0,
    )
    continuous_spot_market: bool | None = quantity(
        "whether the province's spot market runs continuously; not known if left out", default=None
    )
    certificates: Certificates = quantity(
        "green certificates for the rest, counted beside the operating cost", default_factory=Certificates
    )

    def read_documents(self, timezone: str, base_dir: Path) -> tuple[PolicyDocument, ...]:
        """The documents asked for, or those that speak of the place.

        Raises:
            InputError: every document that is unknown, cannot be read or is wrong.
        """
        if self.documents is None:
            return applying_at(timezone)
        found: dict[str, PolicyDocument] = {}
        faults: list[Fault] = []
        for position, source in enumerate(self.documents):
            path = f"policy.documents[{position}]"
            try:
                document = load_document(source, base_dir)
            except InputError as error:
                faults += [fault if fault.file else Fault(fault.message, _below(path, fault)) for fault in error.faults]
                continue
            if document.name in found:
                faults.append(Fault(f"{document.name!r} stands there twice; keep one", path))
            found[document.name] = document
        if faults:
            raise InputError(faults)
        return tuple(found.values())


def _below(path: str, fault: Fault) -> str:
    return f"{path}.{fault.path}" if fault.path else path


def certificate_price(policy: Policy, documents: tuple[PolicyDocument, ...], currency: str) -> CertificatePrice | None:
    """What a certificate costs: as the scenario says, else as the last document in its currency says; None if none."""
    given = policy.certificates.price_per_mwh
    if given is not None:
        return CertificatePrice(price_per_mwh=given, currency=currency, source="the scenario", certainty="M")
    priced = [document.certificate for document in documents if document.certificate is not None]
    fitting = [price for price in priced if price.currency == currency]
    return fitting[-1] if fitting else None


def with_rules(
    targets: dict[str, Target], documents: tuple[PolicyDocument, ...], policy: Policy, horizon_year: int
) -> tuple[dict[str, Target], list[Fault]]:
    """The targets with measure and bound of every rule that one names filled in, and what is wrong with these."""
    found: dict[str, Target] = {}
    faults: list[Fault] = []
    for name, target in targets.items():
        if target.rule is None:
            found[name] = target
            continue
        try:
            found[name] = _of_rule(target, documents, policy, horizon_year)
        except InputError as error:
            faults += [Fault(fault.message, f"targets.{name}.rule") for fault in error.faults]
    return found, faults


def _of_rule(target: Target, documents: tuple[PolicyDocument, ...], policy: Policy, horizon_year: int) -> Target:
    document, rule = rule_of(str(target.rule), documents)
    if rule.measure is None:
        raise InputError(
            f"{target.rule} cannot be a target, for {rule.kpi} is not linear in the operation; it is judged after the "
            "run; measures such as onsite_renewable_share may stand for it"
        )
    year = next(year for year in (target.year, policy.year, horizon_year) if year is not None)
    threshold = rule.threshold(year, policy.park_tce_per_year or 0.0)
    if threshold is None:
        raise InputError(f"{target.rule} is in force from {rule.first_year}, not in {year}; give a later year")
    content = {"measure": rule.measure, rule.bound: threshold.value, "price": target.price}
    try:
        wanted = Target.model_validate({**content, "rule": document.rule_id(rule), "year": year})
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(f"{target.rule} cannot be a target: {reason}") from None
    if target.measure not in (None, wanted.measure) or (
        target.has_bound and (target.at_least, target.at_most) != (wanted.at_least, wanted.at_most)
    ):
        raise InputError(
            f"measure and bound follow from {target.rule} ({wanted.measure}, "
            f"{rule.bound.replace('_', ' ')} {threshold.value:g} in {year}); take them out, or the rule"
        )
    return wanted
