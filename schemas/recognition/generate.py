"""Makes items.csv, eqa.csv and prices.csv of the demo region from ../terminology/items.csv: the facts (LOINC, names, windows and
their status) are that table's, the rest is invented and says so. Run by hand: python3 schemas/recognition/generate.py"""

import csv
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
FROM = "2024-01-01"

# Results that look like an item and are another one: said, never recognised.
SIMILAR = {
    "22748-8": "69419-0", "69419-0": "22748-8", "32673-6": "13969-1", "13969-1": "32673-6", "22664-7": "14937-7", "14937-7": "22664-7",
    "14749-6": "14771-0", "14771-0": "14749-6", "10839-9": "89579-7;67151-1", "89579-7": "10839-9;67151-1", "67151-1": "10839-9;89579-7",
    "1988-5": "30522-7", "30522-7": "1988-5", "24725-4": "30799-1", "30799-1": "24725-4", "36643-5": "24648-8", "24648-8": "36643-5",
    "30934-4": "33762-6", "33762-6": "30934-4", "2028-9": "1963-8", "1963-8": "2028-9",
}
EXAMS = {  # modality, body part, contrast
    "24627-2": ("CT", "chest", ""), "36643-5": ("DX", "chest", ""), "24648-8": ("DX", "chest", ""), "24725-4": ("CT", "head", ""),
    "30799-1": ("CT", "head", "without"), "24590-2": ("MR", "head", ""), "41806-1": ("CT", "abdomen", ""),
    "36813-4": ("CT", "abdomen-pelvis", "with"), "24556-3": ("MR", "abdomen", ""), "24558-9": ("US", "abdomen", ""),
    "30620-9": ("CT", "lumbar-spine", "without"), "24629-8": ("MR", "chest", ""), "24606-6": ("MG", "breast", ""),
    "42148-7": ("US", "heart", ""), "11524-6": ("ECG", "heart", ""),
}
PRICE = {"hematology": 2, "infection_marker": 25, "liver": 5, "renal": 6, "glucose": 6, "lipid": 8, "electrolyte": 4, "cardiac": 40,
         "pancreas": 10, "coagulation": 12, "thyroid": 35, "hepatitis_syphilis_hiv": 18, "tumor_marker": 45, "nutrition_immune": 30,
         "urine": 2, "blood_type": 12, "chemistry": 15}
EXAM_PRICE = {"CT": 220, "MR": 480, "DX": 70, "US": 120, "MG": 150, "ECG": 20}


def material(name):
    return "urine" if "Urine" in name else "airway" if "Respiratory" in name else "blood"


def write(name, header, rows):
    with open(HERE / name, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main():
    with open(HERE.parent / "terminology" / "items.csv", encoding="utf-8") as lines:
        facts = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    items, eqa, prices, counts = [], [], [], {"L": 0, "E": 0}
    for fact in facts:
        exam = fact["scale"] == "Doc"
        letter = "E" if exam else "L"
        counts[letter] += 1
        code = f"{letter}{counts[letter]:03d}"
        modality, body, contrast = EXAMS.get(fact["loinc"], ("", "", "")) if exam else ("", "", "")
        window = {"never": "unlimited"}.get(fact["window_days"], fact["window_days"])
        source = fact["note"] if fact["window_status"] == "found" else "unverified: window assumed"
        items.append([code, FROM, "", fact["name_zh"], fact["name_en"], "exam" if exam else "laboratory", fact["loinc"],
                      SIMILAR.get(fact["loinc"], ""), "any" if exam else material(fact["name_en"]), modality, body, contrast, window,
                      "sampled", fact["window_status"], "yes" if exam else "no", source + "; item code unverified"])
        invented = "invented for the demo region"
        # The city hospital and the regional laboratory passed the national rounds, the county hospital those of the city.
        for year in (2024, 2025, 2026):
            span = [f"{year}-01-01", f"{year}-12-31"]
            eqa.append(["bc-city", code, "HR.CN", f"{year}", *span, "passed", invented])
            if not exam:
                eqa.append(["lab-regional", code, "HR.CN", f"{year}", *span, "passed", invented])
                failed = year == 2025 and fact["loinc"] == "14933-6"
                eqa.append(["bc-county", code, "HR.2308", f"{year}", *span, "failed" if failed else "passed", invented])
        prices.append(["*", code, FROM, "", f"{EXAM_PRICE.get(modality, 0) if exam else PRICE[fact['group']]}.00", invented])
    write("items.csv", ["item", "valid_from", "valid_to", "name_zh", "name_en", "kind", "loinc", "similar", "material", "modality", "body_part",
                        "contrast", "window", "window_base", "window_status", "images", "source"], items)
    write("eqa.csv", ["laboratory", "item", "mark", "round", "valid_from", "valid_to", "outcome", "source"], eqa)
    write("prices.csv", ["facility", "item", "valid_from", "valid_to", "price", "source"], prices)

    by_loinc = {row[6]: row[0] for row in items}
    panels, orders = [], []
    for panel, zh, en, required, optional, codes in PANELS:
        for loincs, yes in ((required, "yes"), (optional, "no")):
            panels += [[panel, by_loinc[loinc], FROM, "", zh, en, yes, "usual composition, unverified"] for loinc in loincs.split()]
        orders += [["*", code, panel, FROM, "", "usual name, unverified"] for code in codes.split()]
    write("panels.csv", ["panel", "component", "valid_from", "valid_to", "name_zh", "name_en", "required", "source"], panels)
    write("order_codes.csv", ["facility", "code", "item", "valid_from", "valid_to", "source"], orders)


PANELS = [
    ("P001", "血常规", "Blood count", "6690-2 789-8 718-7 777-3", "4544-3 787-2 785-6 786-4 770-8 736-9", "CBC 血常规"),
    ("P002", "肝功能", "Liver function", "1742-6 1920-8 14631-6 2885-2 1751-7", "6768-6 2324-2 14629-0", "LFT LIVER 肝功能"),
    ("P003", "肾功能", "Renal function", "22664-7 14682-9 14933-6", "33863-2", "RFT RENAL 肾功能"),
    ("P004", "血脂", "Lipids", "14647-2 14927-8 14646-4 22748-8", "1869-7 1884-6", "LIPID 血脂"),
    ("P005", "电解质", "Electrolytes", "2823-3 2951-2 2075-0 2000-8", "14879-1 2601-3", "ELEC LYTES 电解质"),
    ("P006", "凝血四项", "Coagulation", "5902-2 14979-9 3243-3 3255-7", "6301-6 48065-7", "COAG 凝血四项"),
    ("P007", "甲功三项", "Thyroid function", "3016-3 14920-3 14928-6", "", "TFT 甲功三项"),
]

if __name__ == "__main__":
    main()
