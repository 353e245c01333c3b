// A projector with a steward beside it, who decides as the API lets one. Invented patients.
#pragma once

#include "broker/pipeline/steward.h"
#include "tests/unit/pipeline/projector_fixture.h"

namespace hutong::pipeline {

using Kind = port::IdentityCommand::Kind;

class ProjectorSteward : public ProjectorTest {
 protected:
  void patient(std::string facility, std::string patient_number, std::string name = "王小明",
               std::string card_number = "") {
    tell(Message("c" + std::to_string(++messages_), {.number = std::move(patient_number),
                                                     .facility = std::move(facility),
                                                     .name = std::move(name),
                                                     .card = std::move(card_number)}));
  }
  // As the API does, with the projector beside it.
  Result<port::IdentityVerdict> decide(Kind kind, std::vector<std::pair<std::string, std::string>> patients,
                                       std::string of = "") {
    clock.advance(std::chrono::seconds(1));
    Steward steward(log, *store, options().hmac_key, clock);
    port::IdentityCommand command{kind, std::move(patients), std::move(of), "steward", "client", "seen at the desk"};
    net::io_context io;
    std::optional<Result<port::IdentityVerdict>> verdict;
    net::co_spawn(io, steward.decide(std::move(command)),
                  [&](std::exception_ptr, Result<port::IdentityVerdict> made) { verdict = std::move(made); });
    while (!verdict) {
      io.run_one();
      project();
    }
    return *verdict;
  }
  std::string linked_by_steward(const char* a, const char* b) {
    auto verdict = decide(Kind::link, {{a, "P"}, {b, "P"}});
    EXPECT_TRUE(verdict) << verdict.error().message;
    EXPECT_TRUE(verdict->applied);
    return verdict->decision;
  }
  bool one(const char* a, const char* b) { return same_person(a, "P", b, "P"); }
  std::map<std::string, std::vector<port::Row>> persons_now() {
    return {{"persons", rows(tables::persons)}, {"person_of", rows(tables::person_of)}};
  }
  int messages_ = 0;
};

}  // namespace hutong::pipeline
