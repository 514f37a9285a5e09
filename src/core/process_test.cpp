#include "core/process.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

namespace sust::core {
namespace {

const SystemClock k_clock;
Deadline soon() {
    return Deadline(k_clock, 20s);
}

TEST(Processes, OutputAndStatusComeBack) {
    const auto output =
        run({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}}, soon()).value();
    EXPECT_EQ(output.status, 3);
    EXPECT_EQ(output.out, "out\n");
    EXPECT_EQ(output.err, "err\n");
}

TEST(Processes, ASignalIsToldAsAShellTellsIt) {
    EXPECT_EQ(run({.argv = {"sh", "-c", "kill -TERM $$"}}, soon()).value().status, 128 + SIGTERM);
}

TEST(Processes, OutputOverTheLimitIsDroppedAndTheCommandStillEnds) {
    const auto output = run({.argv = {"head", "-c", "300000", "/dev/zero"}}, soon(), 1000).value();
    EXPECT_EQ(output.out.size(), 1000U);
    EXPECT_EQ(output.status, 0);
}

TEST(Processes, PastItsDeadlineACommandIsKilled) {
    EXPECT_EQ(run({.argv = {"sleep", "600"}}, Deadline(k_clock, 50ms)).error().fault,
              Fault::timeout);
}

TEST(Processes, TheEnvironmentAndDirectoryAreThoseGiven) {
    const auto output = run({.argv = {"sh", "-c", "echo $A$HOME; pwd"},
                             .environment = Environment{{"A", "x"}, {"PATH", "/usr/bin:/bin"}},
                             .workdir = "/"},
                            soon());
    EXPECT_EQ(output.value().out, "x\n/\n");
}

TEST(Processes, WhatCannotBeStartedIsAnError) {
    EXPECT_EQ(run({.argv = {"no-such-program"}}, soon()).error().fault, Fault::not_found);
    EXPECT_EQ(run({.argv = {"/etc/hostname-absent"}}, soon()).error().fault, Fault::not_found);
    EXPECT_EQ(run({.argv = {"true"}, .workdir = "/absent"}, soon()).error().fault,
              Fault::not_found);
    EXPECT_EQ(run({.argv = {}}, soon()).error().fault, Fault::invalid);
}

TEST(ProcessIds, AProcessIsKnownByBootPidAndStartTogether) {
    const auto self = identify(::getpid()).value();
    EXPECT_TRUE(alive(self));
    auto reused = self;
    reused.start_ticks += 1;
    auto rebooted = self;
    rebooted.boot_id = "another";
    EXPECT_FALSE(alive(reused));
    EXPECT_FALSE(alive(rebooted));
    EXPECT_FALSE(send_signal(reused, SIGKILL).value());
    EXPECT_EQ(process_id_from_json(nlohmann::json(self)).value(), self);
    EXPECT_FALSE(process_id_from_json(nlohmann::json::array()));
}

TEST(ProcessIds, AZombieIsGone) {
    auto child = Child::spawn({.argv = {"sleep", "600"}}).value();
    const auto id = identify(child.pid()).value();
    const auto fd = open_pidfd(id).value();
    ASSERT_TRUE(fd);
    EXPECT_TRUE(send_signal(id, SIGKILL).value());
    EXPECT_EQ(child.wait(soon()).value(), 128 + SIGKILL);
    EXPECT_FALSE(alive(id));
    EXPECT_FALSE(open_pidfd(id).value());
}

}  // namespace
}  // namespace sust::core
