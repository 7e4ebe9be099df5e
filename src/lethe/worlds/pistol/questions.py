"""Questions: the twenty that PISTOL asks of a contract, in its own words, and what of the contract answers each."""

from __future__ import annotations

from collections.abc import Mapping

from lethe.worlds.pistol.graph import Kind

_SALE = "based on the contract between {seller} and {customer}?"
_WORK = "based on the contract between {employer} and {employee}?"

QUESTIONS: Mapping[Kind, tuple[tuple[str, str], ...]] = {
    "sale": (
        ("What was the effective date of the contract between {seller} and {customer}?", "{date}"),
        ("What was the name of the seller in the contract with {customer} as of {date}?", "{seller}"),
        ("What was the address of {seller} in the contract with {customer}?", "{seller_address}"),
        ("What was the name of the customer in the contract with {seller} as of {date}?", "{customer}"),
        ("What was the address of {customer} in the contract with {seller}?", "{customer_address}"),
        (f"What was the good that the seller was selling to the customer {_SALE}", "{good}"),
        (f"What was the quantity of the good being sold {_SALE}", "{quantity}"),
        (f"What was the unit price in dollars of the good being sold {_SALE}", "{price}"),
        (f"What was the total price in dollars of the good being sold {_SALE}", "{total}"),
        (
            f"By how many days after the delivery time must the seller provide the customer with an invoice {_SALE}",
            "{invoice_days}",
        ),
        (f"Within how many days must the invoice be paid in full {_SALE}", "{payment_days}"),
        (f"After how many days would unpaid balances incur a late payment penalty {_SALE}", "{late_days}"),
        (f"What was the late payment interest rate {_SALE}", "{interest}%"),
        (f"What was the address of delivery {_SALE}", "{delivery_address}"),
        (f"Who would decide the shipping method {_SALE}", "{chooses_shipping}"),
        (f"Who would be responsible for the costs of the shipment {_SALE}", "{pays_shipping}"),
        (f"What was the duration of the general warranty period in years {_SALE}", "{warranty_years}"),
        (
            "Within how many days of discovering a defect must the customer notify the seller in writing in the event "
            f"of a breach of warranty {_SALE}",
            "{notice_days}",
        ),
        (f"What was the duration of the cooling-off period in days {_SALE}", "{cooling_off_days}"),
        ("Which jurisdiction's laws govern the contract between {seller} and {customer}?", "{law}"),
    ),
    "employment": (
        (
            "What was the name of the employer in the employment contract with {employee}, which started from {date}?",
            "{employer}",
        ),
        (f"What was the principal business location of {{employer}} {_WORK}", "{employer_address}"),
        (
            "What was the name of the employee in the employment contract with {employer}, which started from {date}?",
            "{employee}",
        ),
        (f"What was the address of {{employee}} {_WORK}", "{employee_address}"),
        (f"What was the start date {_WORK}", "{date}"),
        (f"For how many months will the employer employ the employee {_WORK}", "{months} months"),
        (f"What was the job position {_WORK}", "{position}"),
        (f"What was the work location {_WORK}", "{work_address}"),
        (f"At what hour did the workday start {_WORK}", "{starts}"),
        (f"At what hour did the workday finish {_WORK}", "{ends}"),
        (f"What was the hourly basic pay in dollars {_WORK}", "{pay}"),
        (f"What was the frequency of salary payment {_WORK}", "{payment}"),
        (f"What benefit was provided to the employee {_WORK}", "{benefit}"),
        (f"How many days of paid holiday leave were provided to the employee {_WORK}", "{holidays}"),
        (
            "For how many months after the employment ends was the employee prohibited from disclosing any "
            f"confidential information {_WORK}",
            "{confidential_months}",
        ),
        (
            "What was the number of days the employee was entitled to Paid Sick Leave in each year of employment "
            f"{_WORK}",
            "{sick_days}",
        ),
        (
            "How many weeks' written notice of termination must the employee and employer each provide to the other "
            f"{_WORK}",
            "{notice_weeks}",
        ),
        (f"For how many months did the non-compete clause cover {_WORK}", "{non_compete_months}"),
        (
            "How many weeks' written notice must the employer provide before any proposed changes to the terms of "
            f"employment {_WORK}",
            "{change_weeks}",
        ),
        ("Which jurisdiction's laws govern the contract between {employer} and {employee}?", "{law}"),
    ),
}
"""Question and answer as patterns; an answer ends with a full stop. Source: Qiu et al. 2024, arXiv:2406.16810."""
