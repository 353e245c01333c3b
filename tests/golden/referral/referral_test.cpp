// Referral for medical administrators to read, each cell and each line a test: transitions.csv is the whole table,
// stories.csv are patients' ways through it, with what was refused and when who is told. The rules that the stories are
// judged by stand beside them (rules/), so that the shipped ones may change.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "broker/referral/words.h"
#include "tests/unit/referral/region.h"

namespace hutong::referral {
namespace {

namespace fs = std::filesystem;
using terminology::CsvTable;
const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "tests/golden/referral";

std::string both(Words words) {
  return std::string(words.zh) + " " + std::string(words.en);
}

std::string in_words(Set<Need> needs) {
  constexpr std::array<std::pair<Need, std::string_view>, 10> all = {
      {{Need::route, "receiver and route 接收机构"},
       {Need::choice, "patient's choice 知情选择"},
       {Need::filing, "insurance filing 备案"},
       {Need::link, "link 关联"},
       {Need::slot, "slot 时段"},
       {Need::reason, "reason 理由"},
       {Need::report, "report 回报文书"},
       {Need::downward, "downward accepted or reason 下转已接受或理由"},
       {Need::slot_over, "slot begun 已过预约时间"},
       {Need::due, "deadline passed 期限已到"}}};
  std::string text;
  for (const auto& [need, words] : all) {
    if (needs.has(need)) text += (text.empty() ? "" : "; ") + std::string(words);
  }
  return text;
}

// "": refused; "=": legal, the state stays; else the state it leads to.
std::string cell(State state, Action action, Role role) {
  const auto* row = transition(state, action, role);
  return !row ? "" : row->to ? both(words(*row->to)) : "=";
}

TEST(Transitions, AreTheTableThatAdministratorsRead) {
  std::ostringstream out;
  out << "# The state machine of referral, cell by cell (双向转诊状态表，供医务管理人员审阅). A line is a state and "
         "what somebody would do in it; a column, who.\n"
         "# The cell: the state it leads to; = legal, the state stays; empty: refused. Lines in which everything is "
         "refused are left out.\n"
         "# needs: what must be said or be so. A change of the table is a change of this file: HUTONG_ACCEPT=1 writes "
         "it anew.\n"
         "state,action,sender 转出机构,receiver 接收机构,coordinator 值班协调,clock 系统时钟,linked "
         "关联转诊,needs,source\n";
  for (std::size_t s = 0; s < model::referral_states; ++s) {
    for (std::size_t a = 0; a < model::referral_actions; ++a) {
      const auto action = static_cast<Action>(a);
      std::string cells, needs, source;
      bool any = false;
      for (const auto role : {Role::sender, Role::receiver, Role::coordinator, Role::clock, Role::linked}) {
        const auto* row = transition(state_at(s), action, role);
        cells += "," + cell(state_at(s), action, role);
        if (!row) continue;
        any = true;
        const auto said = in_words(row->needs);
        if (needs.find(said) == std::string::npos) needs += (needs.empty() ? "" : " / ") + said;
        if (source.find(row->source) == std::string::npos)
          source += (source.empty() ? "" : " / ") + std::string(row->source);
      }
      if (any) {
        out << both(words(state_at(s))) << ',' << both(words(action)) << cells << ",\"" << needs << "\",\"" << source
            << "\"\n";
      }
    }
  }
  const auto file = folder / "transitions.csv";
  if (std::getenv("HUTONG_ACCEPT")) std::ofstream(file, std::ios::binary) << out.str();
  std::ifstream in(file, std::ios::binary);
  const std::string written{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(out.str(), written) << "accept it with HUTONG_ACCEPT=1, then read what has changed";
}

struct Case {
  std::string id, title;
  std::vector<std::map<std::string, std::string>> lines;
};
void PrintTo(const Case& given, std::ostream* out) {
  *out << given.title;
}

std::vector<Case> cases() {
  const auto table = CsvTable::read(folder / "stories.csv");
  std::vector<Case> all;
  for (std::size_t row = 0; row < table.size(); ++row) {
    std::map<std::string, std::string> cells;
    for (std::size_t i = 0; i < table.header().size(); ++i) cells[table.header()[i]] = table.at(row, i);
    if (!cells["case"].empty()) all.push_back({cells["case"], cells["zh"] + " / " + cells["en"], {}});
    all.back().lines.push_back(cells);
  }
  return all;
}

std::map<std::string, std::string> said(const std::string& text) {
  std::map<std::string, std::string> all;
  for (const auto& part : terminology::split(text)) {
    const auto equals = part.find('=');
    all[part.substr(0, equals)] = equals == std::string::npos ? "" : part.substr(equals + 1);
  }
  return all;
}

model::Priority urgency_of(const std::string& text) {
  using enum model::Priority;
  for (const auto each : {routine, urgent, asap, stat}) {
    if (to_string(each) == text) return each;
  }
  ADD_FAILURE() << "no such urgency: " << text;
  return routine;
}

class Stories : public testing::TestWithParam<Case> {};

TEST_P(Stories, AreAsWritten) {
  Region here(Rules::load({folder / "rules"}), folder / "facilities.csv");
  std::map<std::string, ReferralId> named;                        // a story's names of its referrals
  std::map<std::string, std::pair<std::string, std::string>> of;  // their senders and numbers
  for (const auto& line : GetParam().lines) {
    const auto cell = [&](const char* column) -> const std::string& { return line.at(column); };
    SCOPED_TRACE(GetParam().id + " " + cell("at") + " " + cell("who") + " " + cell("does") + " " + cell("referral"));
    const auto when = at(cell("at") + ":00");
    const auto fields = said(cell("says"));
    const auto field = [&](const char* name) { return fields.contains(name) ? fields.at(name) : std::string(); };

    if (cell("who") == "clock") {  // the broker looks, after a restart or not; does: what it found due
      std::string done;
      for (const auto& answered : here.clocks(when))
        done += (done.empty() ? "" : ";") + std::string(to_string(answered.action));
      EXPECT_EQ(done, cell("does"));
    } else {
      const auto action = model::referral_action_of(cell("does"));
      ASSERT_TRUE(action) << cell("does");
      if (*action == Action::request && !named.contains(cell("referral"))) {
        of[cell("referral")] = {cell("who"), cell("referral")};
        named[cell("referral")] = model::referral_id(cell("who"), cell("referral"));
      }
      const auto [sender, number] = of[cell("referral")];
      ReferralCommand made = command(*action, cell("who"), number, when, sender);
      made.reason = {"", field("reason")};
      made.choice = model::choice_of(field("choice")).value_or(model::Choice::unknown);
      made.receiver = field("receiver");
      made.outside = field("outside");
      made.insurance_filing = field("filing");
      made.direction = model::direction_of(field("direction")).value_or(model::Direction::unknown);
      if (!field("urgency").empty()) made.urgency = urgency_of(field("urgency"));
      if (!field("version").empty()) made.version = std::stoull(field("version"));
      if (!field("follows").empty()) made.follows = named.at(field("follows"));
      if (!field("person").empty()) made.person = field("person");
      made.slot.reset();
      if (!field("slot").empty())
        made.slot = model::Slot{at(field("slot") + ":00"), at(field("slot") + ":00") + std::chrono::hours(1), "", ""};
      if (*action == Action::report && field("report").empty()) made.documents.clear();
      if (cell("who") == "coordinator") {
        made.facility = "region";
        made.capacity = model::Capacity::coordinator;
      }
      const auto answered = here.send(made);
      const std::string outcome =
          answered.refusal ? std::string(to_string(*answered.refusal)) : std::string(to_string(answered.outcome));
      EXPECT_EQ(outcome, cell("becomes")) << explain(answered).zh << " " << explain(answered).en;
    }
    std::string states;  // of all referrals of the story
    for (const auto& each : terminology::split(cell("states"))) {
      const auto name = each.substr(0, each.find('='));
      const auto* stands = named.contains(name) ? here.find(named.at(name)) : nullptr;
      states += (states.empty() ? "" : ";") + name + "=" + (stands ? std::string(to_string(stands->state)) : "none");
      if (stands && each.find('@') != std::string::npos) states += "@" + stands->receiver;
    }
    EXPECT_EQ(states, cell("states"));
    if (cell("next").empty()) continue;
    const auto* stands = here.find(named.at(cell("referral")));
    ASSERT_TRUE(stands);
    const auto deadline = next(*stands, here.rules());
    EXPECT_EQ(!deadline ? "none"
                        : std::string(to_string(deadline->action)) + " " + to_iso(deadline->at, 480).substr(0, 16) +
                              " " + std::string(to_string(deadline->tell)),
              cell("next"));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Stories, testing::ValuesIn(cases()),
                         [](const auto& given) { return "case_" + given.param.id; });

TEST(StoriesTable, TellsEveryRefusal) {
  std::map<std::string, int> told;
  for (const auto& given : cases()) {
    for (const auto& line : given.lines) ++told[line.at("becomes")];
  }
  for (std::size_t i = 0; i < model::refusals; ++i) {
    const auto refusal = static_cast<model::Refusal>(i);
    // Of clocks and of a thousand changes: unit tests.
    if (refusal == model::Refusal::not_due || refusal == model::Refusal::too_many_changes) continue;
    EXPECT_GT(told[std::string(to_string(refusal))], 0) << to_string(refusal);
  }
}

}  // namespace
}  // namespace hutong::referral
