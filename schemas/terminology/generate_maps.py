#!/usr/bin/env python3
"""Writes names.csv (common names and abbreviations of the items) and the demo region's three local code maps.

The maps differ as hospitals differ: bc-county numbers its items and prints units in capitals, bc-city uses
abbreviations behind "L-" and typographic units, lab-regional uses pinyin initials and a few conventional units.
Items that the shared table does not have stay unmapped on purpose (loinc empty): about 3 % of each map.
Run it from this folder after a change of items.csv or of the table below; the CSV files are committed.
"""
import csv

# LOINC | abbreviation | pinyin initials | further names, separated by ";". A name stands for one item only; where the
# unit decides between items, the terminology room compares dimensions.
TABLE = """
6690-2|WBC|BXBJS|白细胞;白细胞数;白细胞总数
789-8|RBC|HXBJS|红细胞;红细胞数;红细胞总数
718-7|HGB|XHDB|HB;Hb;血红蛋白浓度;血色素
4544-3|HCT|HXBYJ|红细胞比容;红细胞比积;PCV
787-2|MCV|PJHXBTJ|红细胞平均体积
785-6|MCH|PJXHDBL|平均血红蛋白量;红细胞平均血红蛋白量
786-4|MCHC|PJXHDBND|平均血红蛋白浓度;红细胞平均血红蛋白浓度
777-3|PLT|XXBJS|血小板;血小板数;血小板总数
32623-1|MPV|PJXXBTJ|血小板平均体积
770-8|NEUT%|ZXLBFB|NE%;NEU%;中性粒细胞比率;中性粒细胞比例;中性粒细胞%
736-9|LYMPH%|LBBFB|LY%;LYM%;淋巴细胞比率;淋巴细胞比例;淋巴细胞%
5905-5|MONO%|DHBFB|MO%;MON%;单核细胞比率;单核细胞比例;单核细胞%
713-8|EO%|SSBFB|EOS%;嗜酸性粒细胞比率;嗜酸性粒细胞%;嗜酸细胞百分比
706-2|BASO%|SJBFB|BA%;BAS%;嗜碱性粒细胞比率;嗜碱性粒细胞%;嗜碱细胞百分比
751-8|NEUT#|ZXLJDZ|NE#;NEU#;中性粒细胞计数;中性粒细胞#;中性粒细胞数
731-0|LYMPH#|LBJDZ|LY#;LYM#;淋巴细胞计数;淋巴细胞#;淋巴细胞数
742-7|MONO#|DHJDZ|MO#;MON#;单核细胞计数;单核细胞#;单核细胞数
711-2|EO#|SSJDZ|EOS#;嗜酸性粒细胞计数;嗜酸性粒细胞#
704-7|BASO#|SJJDZ|BA#;BAS#;嗜碱性粒细胞计数;嗜碱性粒细胞#
17849-1|RET%|WZHXB|RETIC;网织红细胞比率;网织红细胞%
30341-2|ESR|XCHXB|血沉;红细胞沉降速度
1988-5|CRP|CFYDB|C-反应蛋白;C－反应蛋白;C 反应蛋白
30522-7|hs-CRP|CMCFY|hsCRP;超敏C-反应蛋白
33959-8|PCT|JGSY|降钙素前体
1742-6|ALT|GBZAM|谷丙转氨酶;GPT;SGPT;丙氨酸转氨酶
1920-8|AST|GCZAM|谷草转氨酶;GOT;SGOT;天冬氨酸氨基转移酶;门冬氨酸氨基转移酶
6768-6|ALP|JXLSM|AKP;碱性磷酸脂酶
2324-2|GGT|GAXM|γ-GT;r-GT;GGTP;γ-谷氨酰转肽酶;谷氨酰转肽酶;谷氨酰转移酶
14631-6|TBIL|ZDHS|T-BIL;TBil;STB
14629-0|DBIL|ZJDHS|D-BIL;DBil;结合胆红素
2885-2|TP|ZDB|血清总蛋白
1751-7|ALB|BDB|血清白蛋白
10834-0|GLO|QDB|GLB;球蛋白
1759-0|A/G|BQB|白球比例;白蛋白/球蛋白;白/球比值
2532-0|LDH|RSTQM|LD
22664-7|UREA|NS|血尿素;尿素氮;BUN
14937-7|BUN-N|NSD|尿素氮(N)
14682-9|CREA|JG|CR;Cr;SCR;Scr;CRE;血肌酐;肌酐(酶法)
14933-6|UA|NSUAN|URIC;血尿酸
33863-2|CysC|GYS|CYSC;Cys-C;胱抑素 C;半胱氨酸蛋白酶抑制剂C
62238-1|eGFR|GFR|肾小球滤过率;估算肾小球滤过率
14749-6|GLU|PTT|血糖;血葡萄糖;GLUC
14771-0|FPG|KFXT|FBG;空腹血糖
4548-4|HbA1c|THXHDB|HBA1C;GHb;糖化血红蛋白;糖化血红蛋白A1c
14647-2|TC|ZDGC|CHO;CHOL;T-CHO;胆固醇
14927-8|TG|GYSZ|TRIG;三酰甘油
14646-4|HDL-C|GMDZDB|HDL;HDLC;高密度脂蛋白
69419-0|LDL-D|DMDZDBZJ|低密度脂蛋白胆固醇直接法
22748-8|LDL-C|DMDZDB|LDL;LDLC;低密度脂蛋白
1869-7|ApoA1|ZZDBA|APOA1;apoA-I;载脂蛋白AI;载脂蛋白A-1
1884-6|ApoB|ZZDBB|APOB;apo-B
10835-7|Lp(a)|ZDBA|LPA;脂蛋白(a);脂蛋白a
2823-3|K|JIA|K+;血钾;钾离子
2951-2|Na|NA|Na+;NA+;血钠;钠离子
2075-0|Cl|LV|CL;Cl-;CL-;血氯;氯离子
2000-8|Ca|GAI|CA;Ca2+;血钙;总钙
14879-1|P|WJL|PHOS;IP;血磷;磷
2601-3|Mg|MEI|MG;Mg2+;血镁
14798-3|Fe|TIE|FE;血清铁
1963-8|HCO3|TSQG|HCO3-;碳酸氢盐
2028-9|TCO2|EYHTZL|CO2;CO2CP;二氧化碳结合力;总二氧化碳
2157-6|CK|JSJM|CPK;磷酸肌酸激酶
32673-6|CK-MB|JSJMTGM|CKMB;肌酸激酶同工酶;肌酸激酶MB同工酶
13969-1|CK-MB(m)|JSJMZL|CKMB-mass;肌酸激酶同工酶质量
10839-9|cTnI|JGDBI|TNI;TnI;肌钙蛋白I;心肌肌钙蛋白I
89579-7|hs-cTnI|GMJGDBI|hsTnI;超敏肌钙蛋白I
67151-1|hs-cTnT|GMJGDBT|hsTnT;超敏肌钙蛋白T
30934-4|BNP|BXLNT|脑钠肽;B型钠尿肽
33762-6|NT-proBNP|NTBXLNT|NTproBNP;氨基末端脑钠肽前体;N末端脑钠肽前体
2639-3|MYO|JHDB|Mb;MB
1798-8|AMY|DFM|AMS;血淀粉酶
3040-3|LPS|ZFM|LIP;LIPA
5902-2|PT|NXMYSJ|凝血酶原时间测定
6301-6|INR|GJBZHBZ|PT-INR;国际标准比值;国际标准化比率
14979-9|APTT|HHBFNX|aPTT;活化部分凝血酶原时间
3243-3|TT|NXMSJ|
3255-7|FIB|XWDBY|Fbg;FBG-C;血浆纤维蛋白原
48065-7|D-Dimer|DEJT|D-D;DD;D二聚体;D-二聚体
3016-3|TSH|CJZXJS|促甲状腺素
14920-3|FT4|YLJZXS|游离T4;游离甲状腺素(FT4)
14928-6|FT3|YLSDJZ|游离T3
5195-3|HBsAg|YGBMKY|HBSAG;乙型肝炎表面抗原;乙型肝炎病毒表面抗原
10900-9|HBsAb|YGBMKT|HBSAB;Anti-HBs;抗-HBs;乙型肝炎表面抗体;乙型肝炎病毒表面抗体
42595-9|HBV-DNA|YGDNA|HBVDNA;乙型肝炎病毒DNA;乙肝病毒脱氧核糖核酸
16128-1|Anti-HCV|BGKT|HCV-Ab;HCVAb;抗-HCV;丙型肝炎抗体;丙型肝炎病毒抗体
20507-0|RPR|MDRPR|快速血浆反应素试验
56888-1|HIV-Ag/Ab|HIVLH|HIV Ag/Ab;HIV;人类免疫缺陷病毒抗原抗体;人免疫缺陷病毒抗原抗体
94500-6|COVID-NAT|XGHS|2019-nCoV;新型冠状病毒核酸;SARS-CoV-2核酸
1834-1|AFP|JTDB|甲胎蛋白定量
2039-6|CEA|APKY|癌胚抗原定量
10334-1|CA125|TLKY125|CA-125;糖类抗原 125
24108-3|CA199|TLKY199|CA19-9;CA-199;糖类抗原199
2857-1|TPSA|ZQLX|PSA;tPSA;T-PSA;前列腺特异性抗原
2276-4|FER|TDB|Ferritin;SF;血清铁蛋白
14685-2|VitB12|WSSB12|VB12;维生素 B12
14732-2|FOL|YS|FA;血清叶酸
2465-3|IgG|MYQDBG|IGG
2458-8|IgA|MYQDBA|IGA
2472-9|IgM|MYQDBM|IGM
4485-9|C3|BTC3|补体 C3
4498-2|C4|BTC4|补体 C4
11572-5|RF|LFSYZ|类风湿因子定量
5803-2|U-pH|NPH|尿酸碱度;尿液pH
5811-5|U-SG|NBZ|尿液比重
5794-3|U-BLD|NQX|尿隐血
5799-2|U-LEU|NBXBM|尿白细胞
5802-4|U-NIT|NYXSY|尿液亚硝酸盐
5770-3|U-BIL|NDHS|尿液胆红素
14957-5|mALB|NWLBDB|U-mALB;微量白蛋白;尿微量蛋白
883-9|ABO|ABOXX|血型;ABO 血型
10331-7|Rh|RHXX|RH;RhD;Rh(D);RhD血型
2524-7|LAC|RS|Lac;血乳酸
24627-2|CT-CHEST|XBCT|肺CT;胸部CT平扫;CT胸部
36643-5|DR-CHEST|XBDR|胸片正侧位;胸部正侧位片
24648-8|DR-CHEST-PA|XBHQW|胸片;胸部正位片;胸部X线
24725-4|CT-HEAD|TLCT|颅脑CT;头部CT;CT头颅
30799-1|CT-HEAD-P|TLCTPS|颅脑CT平扫
24590-2|MR-BRAIN|TLMRI|颅脑MRI;颅脑磁共振;头颅磁共振
41806-1|CT-ABD|FBCT|全腹CT
36813-4|CT-AP-C|FPCTZQ|腹盆腔CT增强
24556-3|MR-ABD|FBMRI|腹部磁共振
24558-9|US-ABD|FBCS|腹部彩超;腹部B超;肝胆胰脾超声;肝胆胰脾彩超
30620-9|CT-LS|YZCT|腰椎CT
24629-8|MR-CHEST|XBMRI|胸部磁共振
24606-6|MG-SCREEN|RXMB|乳腺钼靶;乳腺X线摄影
42148-7|US-HEART|XZCS|心脏彩超;超声心动图;UCG
11524-6|ECG|XDT|常规心电图;十二导联心电图;EKG;12导联心电图
"""

# What the shared table does not have; their rows carry no LOINC, so that the worklist of unmapped codes is not empty.
UNMAPPED = {
    "bc-county": [("1901", "同型半胱氨酸", "UMOL/L"), ("1902", "25-羟维生素D", "NG/ML"), ("1903", "胃蛋白酶原I", "NG/ML"),
                  ("1904", "总胆汁酸", "UMOL/L")],
    "bc-city": [("L-SAA", "血清淀粉样蛋白A", "mg/L"), ("L-TBA", "总胆汁酸", "μmol/L"), ("L-HCY", "同型半胱氨酸", "μmol/L"),
                ("L-PGI", "胃蛋白酶原I", "ng/mL")],
    "lab-regional": [("YX25VD", "25-羟维生素D", "ng/mL"), ("YXZDZS", "总胆汁酸", "umol/L"), ("YXTXBG", "同型半胱氨酸", "umol/L"),
                     ("YXPGR", "胃蛋白酶原比值", "")],
}

COUNTY_UNITS = {"10*9/L": "10^9/L", "10*12/L": "10^12/L", "g/L": "G/L", "fL": "FL", "pg": "PG", "U/L": "IU/L",
                "umol/L": "UMOL/L", "mmol/L": "MMOL/L", "mg/L": "MG/L", "ng/mL": "NG/ML", "s": "秒", "{INR}": "",
                "[arb'U]/mL": "U/ML", "m[IU]/L": "uIU/ml", "mm/h": "mm/h", "[IU]/mL": "IU/ML", "1": "", "[pH]": "",
                "mL/min/{1.73_m2}": "ml/min/1.73m2", "pmol/L": "PMOL/L", "nmol/L": "NMOL/L", "pg/mL": "PG/ML",
                "ng/L": "NG/L", "ug/L": "UG/L"}
CITY_UNITS = {"10*9/L": "×10⁹/L", "10*12/L": "×10¹²/L", "umol/L": "μmol/L", "ug/L": "μg/L", "m[IU]/L": "mIU/L",
              "[IU]/mL": "IU/mL", "[arb'U]/mL": "U/mL", "{INR}": "", "1": "", "[pH]": "", "mm/h": "mm/h",
              "mL/min/{1.73_m2}": "mL/(min·1.73m²)"}
REGIONAL_UNITS = {"10*9/L": "10*9/L", "10*12/L": "10*12/L", "{INR}": "INR", "1": "", "[pH]": "", "[arb'U]/mL": "kU/L",
                  "m[IU]/L": "mIU/L", "[IU]/mL": "IU/mL", "mL/min/{1.73_m2}": "ml/min/1.73m^2"}
REGIONAL_CONVENTIONAL = {"718-7": "g/dL", "1988-5": "mg/dL", "14682-9": "mg/dL", "14749-6": "mg/dL", "10839-9": "ng/L",
                         "2823-3": "mEq/L", "2951-2": "mEq/L"}


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main():
    items = {row["loinc"]: row for row in csv.DictReader(open("items.csv", encoding="utf-8"))}
    table = [line.split("|") for line in TABLE.strip().splitlines()]
    assert [row[0] for row in table] == list(items), set(items) ^ {row[0] for row in table}
    names, seen = [], {}
    for loinc, abbreviation, _, further in table:
        for name in [items[loinc]["name_zh"], abbreviation] + [n for n in further.split(";") if n]:
            if name in seen:
                assert seen[name] == loinc, (name, loinc, seen[name])
                continue
            seen[name] = loinc
            names.append((name, loinc))
    write("names.csv", ["name", "loinc"], names)

    maps = {"bc-county": [], "bc-city": [], "lab-regional": []}
    for number, (loinc, abbreviation, pinyin, further) in enumerate(table):
        item = items[loinc]
        usual = [n for n in further.split(";") if n and not n.isascii()]
        short = usual[0] if usual else item["name_zh"]
        ucum = item["ucum"]
        maps["bc-county"].append((str(1001 + number), short, COUNTY_UNITS.get(ucum, ucum), loinc, "2020-01-01"))
        maps["bc-city"].append(("L-" + abbreviation, item["name_zh"], CITY_UNITS.get(ucum, ucum), loinc, "2021-06-01"))
        unit = REGIONAL_CONVENTIONAL.get(loinc, REGIONAL_UNITS.get(ucum, ucum))
        maps["lab-regional"].append(("YX" + pinyin, item["name_zh"], unit, loinc, "2022-01-01"))
    for system, rows in maps.items():
        rows += [(code, name, unit, "", "2022-01-01") for code, name, unit in UNMAPPED[system]]
        codes = [row[0] for row in rows]
        assert len(set(codes)) == len(codes), [c for c in codes if codes.count(c) > 1]
        write(f"maps/{system}.csv", ["code", "name", "unit", "loinc", "valid_from"], rows)


if __name__ == "__main__":
    main()
