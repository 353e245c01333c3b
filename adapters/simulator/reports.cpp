// What laboratories and imaging departments find, and how they take it back.
#include <iterator>

#include "adapters/simulator/plan.h"
#include "adapters/simulator/simulation.h"

namespace hutong::simulator {
namespace {

struct Examination {
  const char *loinc, *section, *modality;
  const char *findings, *impression;  // of the healthy
  const char *ill_findings, *ill_impression;
  double share;
};
constexpr Examination examinations[] = {
    {"24627-2", "CT", "CT", "双肺野清晰，纹理走行自然，未见明确实变影。气管及主要支气管通畅。纵隔内未见肿大淋巴结。",
     "胸部CT平扫未见明显异常。", "右肺下叶见小结节影，直径约5mm，边缘光滑。余肺野清晰。",
     "右肺下叶小结节，建议年度复查。", 24},
    {"36643-5", "RAD", "DX", "双肺纹理清晰，心影大小形态正常，双侧膈面光整，肋膈角锐利。", "心肺膈未见明显异常。",
     "双肺纹理增粗、紊乱，右下肺野见斑片状模糊影。", "右下肺炎症可能，建议治疗后复查。", 22},
    {"24558-9", "US", "US", "肝脏大小正常，实质回声均匀；胆囊壁光滑，腔内未见异常回声；胰脾双肾未见异常。",
     "肝胆胰脾双肾未见明显异常。", "肝实质回声增强、细密，后场衰减；胆囊内见强回声团伴声影，大小约8×6mm。",
     "脂肪肝；胆囊结石。", 24},
    {"42148-7", "US", "US", "各房室内径正常，室壁厚度及运动正常，各瓣膜形态活动正常，LVEF 63%。",
     "心脏结构及功能未见明显异常。", "左房轻度增大，左室舒张功能减低，二尖瓣少量反流，LVEF 55%。",
     "左房增大；左室舒张功能减低。", 8},
    {"30799-1", "CT", "CT", "脑实质密度均匀，脑室系统未见扩大，中线结构居中。", "头颅CT平扫未见明显异常。",
     "双侧基底节区见小斑片状低密度影，边界欠清。", "双侧基底节区腔隙性脑梗死。", 10},
    {"11524-6", "EC", "ECG", "窦性心律，心率72次/分，PR间期158ms，QRS时限92ms，QTc 412ms。", "正常心电图。",
     "窦性心律，心率88次/分，V4-V6导联ST段压低0.05mV，T波低平。", "ST-T改变，请结合临床。", 18}};

constexpr const char* notes[] = {"标本轻度溶血，结果仅供参考。", "结果已复查，与临床联系。",
                                 "本结果仅对所检测标本负责。", "建议：空腹8小时以上复查 (方法学 A&B 比对 | R^2>0.98)。",
                                 "送检单姓名含生僻字：瑋、東、億、區、𬭛。"};
constexpr const char* reporters[] = {"刘佳怡", "陈志强", "杨静", "徐文博"};

bool takes_part(const Result& result) {
  return result.type == "NM" || result.type == "SN" || result.value == "阴性";
}

}  // namespace

void Simulation::measure_report(Report& report) {
  const Institution& performer = region_.institutions[report.performer];
  const CodeMap& map = region_.maps.at(performer.map);
  report.results = measure(*report.panel, map, performer.range_style, report.visit->resident, residents_, random_);
  if (random_.chance(region_.unmapped) && !map.unmapped.empty()) {
    report.results.push_back(unmapped_result(map, random_));
  }
  if (random_.chance(0.08)) report.note = random_.pick(notes);
  report.reporter = random_.pick(reporters);
  report.reviewer = random_.pick(reporters);
}

void Simulation::describe_exam(Report& report) {
  std::vector<double> shares;
  for (const Examination& examination : examinations) shares.push_back(examination.share);
  const Examination& examination = examinations[random_.weighted(shares)];
  const Institution& performer = region_.institutions[report.performer];
  const auto& codes = region_.maps.at(performer.map).by_loinc;
  const auto code = codes.find(std::string_view(examination.loinc));
  report.exam_code = code == codes.end() ? examination.modality : code->second.code;
  report.exam_name = code == codes.end() ? examination.modality : code->second.name;
  report.section = examination.section;
  report.modality = examination.modality;
  const bool ill = random_.chance(0.35);
  report.findings = ill ? examination.ill_findings : examination.findings;
  report.impression = ill ? examination.ill_impression : examination.impression;
  report.accession = std::string(examination.modality) + serial(accessions_[report.performer]);
  report.study_uid = "1.2.156.999999." + std::to_string(report.performer + 1) + "." + std::to_string(run_) + "." +
                     std::to_string(accessions_[report.performer]) + "." + hl7_time(report.sampled);
  report.reporter = random_.pick(reporters);
  report.reviewer = random_.pick(reporters);
}

void Simulation::correct(Report& report, Correction correction) {
  message_.nature = Nature::correction;
  message_.detail = to_string(correction);
  const LocalSeconds issued = report.issued;
  const auto alter = [&](char status) {  // one result, or the impression
    if (report.results.empty()) {
      report.impression = "更正：" + report.impression;
      return;
    }
    std::size_t at = random_.below(report.results.size());
    for (std::size_t i = 0; i < report.results.size() && !takes_part(report.results[at]); ++i) {
      at = (at + 1) % report.results.size();
    }
    change(report.results[at], random_);
    report.results[at].status = status;
  };
  const auto all = [&](char status) {
    for (Result& result : report.results) result.status = status;
  };
  all('F');
  switch (correction) {
    case Correction::changed:
      report.status = 'C';
      report.issued = clock_;
      alter('C');
      break;
    case Correction::second_final:
      report.status = 'F';
      report.issued = clock_;
      alter('F');
      break;
    case Correction::retrigger: report.status = 'F'; break;
    case Correction::cancelled:
      report.status = 'X';
      all('X');
      break;
    case Correction::deleted:
      report.status = 'C';
      if (!report.results.empty())
        report.results[random_.below(report.results.size())].status = 'D';
      else
        report.impression = "更正：" + report.impression;
      break;
    case Correction::wrong:
      report.status = 'C';
      all('W');
      break;
    case Correction::late_preliminary:
      report.status = 'P';
      all('P');
      report.issued = issued - 10 * minute;
      alter('P');
      break;
  }
  write_report(report);
}

}  // namespace hutong::simulator
