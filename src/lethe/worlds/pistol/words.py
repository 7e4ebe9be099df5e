"""Words of contracts: what is sold, who is hired for what, and the law that governs it."""

from __future__ import annotations

FORMS = (
    "Ltd", "Inc", "Corp", "LLC", "PLC", "GmbH", "AG", "SA", "SARL", "SRL", "BV", "BVBA", "NV", "SE", "SAS",
)  # fmt: skip
STREETS = (
    "Street", "Avenue", "Road", "Lane", "Way", "Drive", "Court", "Place", "Alley", "Crescent", "Highway", "Boulevard",
    "Square", "Terrace", "Parkway",
)  # fmt: skip
GOODS = (
    "T-shirts", "Jeans", "Sneakers", "Boots", "Scarves", "Rings", "Necklaces", "Watches", "Handbags", "Sunglasses",
    "Lamps", "Chairs", "Tables", "Mattresses", "Pillows", "Blankets", "Towels", "Mirrors", "Curtains", "Carpets",
    "Kettles", "Toasters", "Blenders", "Ovens", "Fridges", "Freezers", "Heaters", "Fans", "Irons", "Vacuum cleaners",
    "Laptops", "Keyboards", "Monitors", "Printers", "Cameras", "Tripods", "Headphones", "Speakers", "Microphones",
    "Projectors", "Bicycles", "Helmets", "Scooters", "Skateboards", "Tents", "Backpacks", "Sleeping bags", "Compasses",
    "Kayaks", "Paddles", "Violins", "Guitars", "Flutes", "Drums", "Pianos", "Trumpets", "Harps", "Cellos", "Easels",
    "Brushes", "Notebooks", "Pencils", "Envelopes", "Folders", "Staplers", "Scissors", "Rulers", "Globes", "Maps",
    "Calendars", "Hammers", "Drills", "Saws", "Ladders", "Wrenches", "Shovels", "Rakes", "Hoses", "Flowerpots", "Seeds",
    "Candles", "Soaps", "Combs", "Razors", "Perfumes", "Plates", "Bowls", "Forks", "Spoons", "Cups", "Dolls", "Puzzles",
    "Kites", "Marbles", "Board games", "Umbrellas", "Gloves", "Hats", "Belts", "Wallets",
)  # fmt: skip
POSITIONS = (
    "Software Developer", "Accountant", "Graphic Designer", "Project Manager", "Brand Ambassador", "Sales Manager",
    "Data Analyst", "Copywriter", "Electrician", "Translator", "Receptionist", "Auditor", "Chemist", "Surveyor",
    "Purchasing Agent", "Librarian", "Warehouse Clerk", "Quality Inspector", "Lab Technician", "Event Planner",
    "Truck Driver", "Welder", "Chef", "Gardener", "Nurse", "Architect", "Illustrator", "Machinist", "Paralegal",
    "Recruiter", "Statistician", "Tax Adviser", "Trainer", "Underwriter", "Veterinarian", "Web Designer", "Zoologist",
    "Actuary", "Baker", "Cashier",
)  # fmt: skip
PAYMENTS = ("weekly", "bi-weekly", "monthly")
BENEFITS = (
    "health insurance", "dental insurance", "life insurance", "a pension plan", "a company car", "stock options",
    "tuition reimbursement", "childcare assistance", "a gym membership", "an employee assistance programme",
)  # fmt: skip
SIDES = ("Seller", "Customer")
LAWS = tuple(
    f"The State of {state}"
    for state in (
        "Alabama", "Arizona", "California", "Colorado", "Florida", "Georgia", "Illinois", "Kansas", "Maine", "Maryland",
        "Michigan", "Nevada", "New Jersey", "New York", "North Carolina", "Ohio", "Oregon", "Texas", "Utah", "Virginia",
    )
)  # fmt: skip
