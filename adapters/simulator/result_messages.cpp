// ORU^R01: laboratory reports and examinations.
#include "adapters/simulator/hl7_text.h"
#include "adapters/simulator/plan.h"
#include "adapters/simulator/simulation.h"

namespace hutong::simulator {

void Simulation::write_report(Report& report) {
  const Visit& visit = *report.visit;
  const Institution& sender = region_.institutions[report.performer];
  const Institution& orderer = region_.institutions[visit.institution];
  const bool laboratory = report.panel != nullptr;
  if (report.filler.empty()) report.filler = serial(fillers_[report.performer]);
  open(sender, report.performer, laboratory ? sender.lis : sender.ris, "ORU^R01", "ORU_R01");
  message_.report = sender.code + "/" + report.filler;
  message_.first_of_report = !report.sent;
  message_.examination = !laboratory;
  message_.items = static_cast<std::uint32_t>(report.results.size());
  if (!report.sent) report.number = visit.number;
  report.sent = true;

  write_pid(visit, sender, report.number);
  write_pv1(visit, sender);
  Segment(text_, "ORC")
      .raw(1, "RE")
      .raw(2, report.placer)
      .raw(3, report.filler)
      .parts(12, {visit.doctor_code, visit.doctor})
      .text(21, report.performer == visit.institution ? "" : orderer.name);
  const std::string code = laboratory ? report.panel->code : report.exam_code;
  const bool specimen_in_order = laboratory && !sender.specimen_segment;
  Segment(text_, "OBR")
      .raw(1, "1")
      .raw(2, report.placer)
      .raw(3, report.filler)
      .parts(4, {code, laboratory ? report.panel->name : report.exam_name, "L"})
      .raw(7, stamp(sender, report.sampled))
      .raw(14, laboratory ? stamp(sender, report.received) : "")
      .raw(15, specimen_in_order ? std::string(report.panel->specimen_code) + "&" + report.panel->specimen : "")
      .parts(16, {visit.doctor_code, visit.doctor})
      .raw(18, report.accession)
      .raw(22, stamp(sender, report.issued))
      .raw(24, laboratory ? "LAB" : report.section)
      .raw(25, std::string(1, report.status))
      .parts(31, {visit.diagnosis_code, visit.diagnosis})
      .raw(32, "2001&" + report.reviewer);
  if (!laboratory) Segment(text_, "ZDS").parts(1, {report.study_uid, "", "Application", "DICOM"});
  if (!report.note.empty()) Segment(text_, "NTE").raw(1, "1").raw(2, "L").text(3, report.note);
  for (std::size_t i = 0; i < report.results.size(); ++i) write_observation(report, sender, i);
  int set = 0;
  if (!laboratory) write_exam_observations(report, set, report.status);
  if (laboratory && sender.specimen_segment) {
    Segment(text_, "SPM")
        .raw(1, "1")
        .raw(2, "S" + report.filler)
        .parts(4, {report.panel->specimen_code, report.panel->specimen, "HL70487"})
        .raw(17, stamp(sender, report.sampled))
        .raw(18, stamp(sender, report.received));
  }
  close(sender);
}

void Simulation::write_observation(const Report& report, const Institution& performer, std::size_t index) {
  const Result& result = report.results[index];
  const std::string code = result.local ? result.local->code : std::string("X") + std::to_string(index + 1);
  const std::string_view name = result.local ? std::string_view(result.local->name) : result.item->name;
  if (!result.local || result.local->loinc.empty()) ++message_.unmapped;
  const std::string value_status(1, result.status);
  {
    Segment obx(text_, "OBX");
    obx.raw(1, std::to_string(index + 1)).raw(2, result.type).parts(3, {code, name, "L"});
    if (result.type == "SN")
      obx.raw(5, result.value);
    else
      obx.text(5, result.value);
    obx.text(6, result.unit)
        .text(7, result.range)
        .raw(8, result.flag)
        .raw(11, value_status)
        .raw(14, stamp(performer, report.sampled))
        .parts(15, {performer.code, performer.name})
        .parts(16, {"2002", report.reporter});
    if (performer.specimen_segment) {  // from 2.5.1 on: who really did it
      obx.parts(23, {performer.name, "D", "", "", "", "", "XX", "", "", performer.code});
    }
  }
  if (result.flag == "HH" || result.flag == "LL") {
    Segment(text_, "NTE")
        .raw(1, "1")
        .raw(2, "L")
        .text(3, "危急值，已电话通知" + report.visit->department + report.visit->doctor + "。");
  }
}

void Simulation::write_exam_observations(const Report& report, int& set, char status) {
  const std::string state(1, status);
  const std::string& house = region_.institutions[report.performer].code;
  const auto write = [&](const char* type, std::initializer_list<std::string_view> code, const std::string& value) {
    Segment(text_, "OBX").raw(1, std::to_string(++set)).raw(2, type).parts(3, code).text(5, value).raw(11, state);
  };
  write("FT", {"GDT", "检查所见", "L"}, report.findings);
  write("FT", {"IMP", "诊断意见", "L"}, report.impression);
  if (report.section == "EC") return;
  const std::string host = "https://images." + house + ".example/";
  write("RP", {"VIEW", "影像调阅", "L"}, host + "viewer?study=" + report.study_uid);
  write("RP", {"WADO", "影像数据", "L"}, host + "dicom-web/studies/" + report.study_uid);
}

}  // namespace hutong::simulator
