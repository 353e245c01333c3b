#include "broker/pipeline/effects_patient.h"

#include <gtest/gtest.h>

namespace hutong::pipeline {
namespace {

TEST(MergeSubject, ANumbersPeriodStaysWhereAMessageDoesNotSayIt) {
  Arena arena;
  model::Subject stored, fresh;
  model::Identifier passport;
  passport.kind = model::IdentifierKind::passport;
  passport.value = "E1";
  fresh.identifiers.push(arena, passport);
  passport.effective.iso = "2020-01-01";
  passport.expires.iso = "2030-01-01";
  stored.identifiers.push(arena, passport);
  auto merged = merge_subject(arena, stored, fresh);
  ASSERT_EQ(merged.identifiers.size(), 1U);
  EXPECT_EQ(merged.identifiers[0].effective.iso, "2020-01-01");
  EXPECT_EQ(merged.identifiers[0].expires.iso, "2030-01-01");
  fresh.identifiers[0].expires.iso = "2031-01-01";
  merged = merge_subject(arena, stored, fresh);
  EXPECT_EQ(merged.identifiers[0].effective.iso, "2020-01-01");
  EXPECT_EQ(merged.identifiers[0].expires.iso, "2031-01-01");
}

}  // namespace
}  // namespace hutong::pipeline
