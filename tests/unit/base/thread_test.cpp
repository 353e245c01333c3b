#include "broker/base/thread.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace hutong {
namespace {

// linux/sched/types.h
struct Attributes {
  std::uint32_t size = sizeof(Attributes), policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;
};
Attributes attributes() {
  Attributes read;
  EXPECT_EQ(syscall(SYS_sched_getattr, 0, &read, sizeof read, 0), 0);
  return read;
}

TEST(Thread, APromptOneHasShortTurnsAndNoMoreOfTheProcessor) {
  std::thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 3), 0);
    const auto before = attributes();
    if (before.runtime == 0) GTEST_SKIP() << "this kernel is older than 6.12";
    prompt_this_thread();
    const auto after = attributes();
    EXPECT_EQ(after.runtime, 200'000U);
    EXPECT_EQ(after.policy, before.policy);
    EXPECT_EQ(after.nice, 3);
  }).join();
}

TEST(Thread, WhatWorksInBatchesStaysSo) {
  std::thread([] {
    batch_this_thread();
    prompt_this_thread();
    EXPECT_EQ(attributes().policy, static_cast<std::uint32_t>(SCHED_BATCH));
  }).join();
}

}  // namespace
}  // namespace hutong
