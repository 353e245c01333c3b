"""HL7 v2 messages of invented patients for the stories. Each function gives a str with CR line ends; encode as you need."""

import zlib

ITEMS = [  # local code, name, value, unit, interval
    ("GLU", "葡萄糖", "5.8", "mmol/L", "3.9-6.1"), ("UREA", "尿素", "4.6", "mmol/L", "2.8-7.2"),
    ("CREA", "肌酐", "71", "umol/L", "45-84"), ("UA", "尿酸", "312", "umol/L", "155-357"),
    ("ALT", "丙氨酸氨基转移酶", "18", "U/L", "7-40"), ("AST", "天门冬氨酸氨基转移酶", "21", "U/L", "13-35"),
    ("TP", "总蛋白", "72.4", "g/L", "65-85"), ("ALB", "白蛋白", "44.1", "g/L", "40-55"),
    ("TBIL", "总胆红素", "11.2", "umol/L", "3.4-20.5"), ("K", "钾", "4.12", "mmol/L", "3.5-5.3"),
    ("NA", "钠", "140.2", "mmol/L", "137-147"), ("CL", "氯", "103.1", "mmol/L", "99-110"),
    ("CA", "钙", "2.31", "mmol/L", "2.11-2.52"), ("TC", "总胆固醇", "4.62", "mmol/L", "0-5.2"),
    ("TG", "甘油三酯", "1.21", "mmol/L", "0-1.7"), ("HDL", "高密度脂蛋白胆固醇", "1.35", "mmol/L", "1.04-1.55"),
    ("LDL", "低密度脂蛋白胆固醇", "2.71", "mmol/L", "0-3.4"), ("GGT", "γ-谷氨酰转移酶", "23", "U/L", "7-45"),
    ("ALP", "碱性磷酸酶", "66", "U/L", "35-100"), ("LDH", "乳酸脱氢酶", "178", "U/L", "120-250"),
]


def resident_card(area="110101", born="19800101", order=1):
    """An invented card number with a right check digit (GB 11643)."""
    digits = f"{area}{born}{order:03d}"
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, weights)) % 11]


def msh(message_type, control, facility="TESTHOSP", application="LIS", time="20260105081500", version="2.5.1",
        charset="UNICODE UTF-8", processing="P"):
    return (f"MSH|^~\\&|{application}|{facility}|HUTONG|REGION|{time}||{message_type}|{control}|{processing}|{version}"
            f"||||||{charset}")


def birth_date(number):
    """Of the invented patient with this number: who shares name, sex and birth date would be one person."""
    if number == "P1":
        return "19800101"
    h = zlib.crc32(str(number).encode())
    return f"{1940 + h % 60}{1 + h // 60 % 12:02d}{1 + h // 720 % 28:02d}"


def pid(number="P1", name="测试^一", born=None, sex="F", card="", facility="TESTHOSP"):
    born = birth_date(number) if born is None else born
    identifiers = f"{number}^^^{facility}^MR" + (f"~{card}^^^^NI" if card else "")
    return f"PID|1||{identifiers}||{name}||{born}|{sex}"


def oru(control="1", number="P1", order="R1", items=ITEMS, status="F", observed="20260105073000", patient=None, header=None,
        facility="TESTHOSP", **header_options):
    """ORU^R01 with one report of `items` (20 of them by default: about 1.6 KB)."""
    segments = [header or msh("ORU^R01^ORU_R01", control, facility=facility, **header_options),
                patient or pid(number, facility=facility),
                f"OBR|1||{order}|BIO^生化全套^L|||{observed}|||||||||||||||||LAB|{status}"]
    segments += [f"OBX|{i}|NM|{code}^{name}^L||{value}|{unit}|{interval}|N|||{status}|||{observed}"
                 for i, (code, name, value, unit, interval) in enumerate(items, 1)]
    return "\r".join(segments) + "\r"


def adt(event="A01", control="1", number="P1", visit="V1", occurred="20260105080000", patient=None, merged="", facility="TESTHOSP",
        **header_options):
    """ADT^`event`; `merged` is the prior number of an A40."""
    segments = [msh(f"ADT^{event}^ADT_A01", control, facility=facility, application="HIS", **header_options),
                f"EVN|{event}|{occurred}", patient or pid(number, facility=facility)]
    if merged:
        segments.append(f"MRG|{merged}^^^{facility}^MR")
    else:
        segments.append(f"PV1|1|I|W3^301^1||||D01^主任^甲||||||||||||{visit}|||||||||||||||||||||||||{occurred}")
    return "\r".join(segments) + "\r"
