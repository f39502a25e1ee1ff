"""The verticals of the site and the questions their forms ask. Rows are made from this after every migrate."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One attribute of a lead: canonical key, label for people, and the answers usually seen (empty = free)."""

    key: str
    label: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A vertical: prices in whole dollars, the exclusive factor in percent, its questions."""

    slug: str
    name: str
    icon: str
    low: int
    high: int
    exclusive_percent: int
    questions: tuple[Question, ...]


_TIMEFRAME = Question("timeframe_days", "Wants it within (days)", ("7", "14", "30", "60", "90"))
_HOME = Question("property.type", "Property", ("Single family", "Townhouse", "Condo", "Mobile home"))
_OWNS = Question("property.ownership", "Ownership", ("Owner", "Renter"))
_INSURED = Question("insurance.current", "Insured now", ("Yes", "No"))
_AGE = Question("age_bracket", "Age", ("18 to 34", "35 to 49", "50 to 64", "65 and over"))

KINDS = (
    Kind("auto-insurance", "Auto insurance", "car", 15, 75, 250, (
        Question("vehicle.count", "Vehicles", ("1", "2", "3")),
        Question("vehicle.year", "Newest vehicle", ("2012", "2015", "2018", "2021", "2024")),
        Question("insurance.renewal_days", "Renews in (days)", ("10", "19", "30", "45", "60")),
        _INSURED, _OWNS,
    )),
    Kind("home-insurance", "Home insurance", "house", 20, 100, 250, (
        _HOME, Question("property.year_built", "Built", ("1965", "1984", "1998", "2007", "2019")),
        Question("insurance.claims_5y", "Claims in 5 years", ("0", "1", "2")), _INSURED,
    )),
    Kind("life-insurance", "Life insurance", "umbrella", 25, 125, 250, (
        Question("insurance.coverage", "Coverage", ("$100,000", "$250,000", "$500,000", "$1,000,000")),
        Question("insurance.term", "Kind", ("Term", "Whole life", "Not sure")), _AGE,
        Question("smoker", "Smoker", ("Yes", "No")),
    )),
    Kind("health-insurance", "Health insurance", "heart-pulse", 30, 150, 250, (
        Question("household.size", "Household", ("1", "2", "3", "4", "5")), _AGE,
        Question("insurance.reason", "Reason", ("Lost coverage", "New job", "Moved", "Comparing")), _INSURED,
    )),
    Kind("medicare", "Medicare", "shield-check", 30, 100, 300, (
        Question("insurance.plan", "Looking for", ("Advantage", "Supplement", "Part D", "Not sure")),
        Question("insurance.turning_65", "Turning 65 this year", ("Yes", "No")),
        Question("insurance.has_part_b", "Has Part B", ("Yes", "No")),
    )),
    Kind("mortgage", "Mortgage", "file-text", 30, 150, 300, (
        Question("mortgage.purpose", "Purpose", ("Purchase", "Refinance", "Cash out")),
        Question("mortgage.loan_amount", "Loan", ("$150,000", "$250,000", "$400,000", "$650,000")),
        Question("mortgage.credit", "Credit", ("Excellent", "Good", "Fair", "Needs work")), _HOME, _TIMEFRAME,
    )),
    Kind("solar", "Solar", "sun", 40, 120, 300, (
        _OWNS, Question("utility.electric.monthly_bill", "Electric bill", ("$80", "$140", "$210", "$320")),
        Question("property.roof_shade", "Roof shade", ("None", "Some", "Much")), _TIMEFRAME,
    )),
    Kind("roofing", "Roofing", "hammer", 35, 80, 300, (
        _HOME, _OWNS, Question("property.roof_age", "Roof age (years)", ("5", "12", "18", "25")),
        Question("property.job", "Job", ("Repair", "Replace", "Inspect")), _TIMEFRAME,
    )),
    Kind("hvac", "HVAC", "thermometer-sun", 30, 70, 300, (
        Question("property.job", "Job", ("Repair", "Replace", "Install", "Maintain")),
        Question("property.system", "System", ("Central air", "Furnace", "Heat pump", "Mini split")), _OWNS, _TIMEFRAME,
    )),
    Kind("personal-injury", "Personal injury", "scale", 200, 800, 400, (
        Question("injury.cause", "Cause", ("Car crash", "Workplace", "Fall", "Dog bite")),
        Question("injury.treated", "Saw a doctor", ("Yes", "No")),
        Question("injury.at_fault", "At fault", ("Other party", "Shared", "Not sure")),
        Question("injury.has_lawyer", "Has a lawyer", ("Yes", "No")),
    )),
)  # fmt: skip
BY_SLUG = {kind.slug: kind for kind in KINDS}
LABELS = {question.key: question.label for kind in KINDS for question in kind.questions}


def questions_of(slug: str) -> tuple[Question, ...]:
    """What the forms of a vertical ask; none for a vertical that staff made."""
    kind = BY_SLUG.get(slug)
    return kind.questions if kind else ()


def label_of(key: str) -> str:
    """How an attribute is called on a page; unknown keys (kept from a file on purpose) are made readable."""
    return LABELS.get(key) or key.replace(".", " ").replace("_", " ").capitalize()
