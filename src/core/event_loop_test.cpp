#include "core/event_loop.h"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>

namespace sust::core {
namespace {

TEST(EventLoop, RunsPostedTasksInOrder) {
    const SystemClock clock;
    EventLoop loop(clock);
    std::string seen;
    loop.post([&] { seen += 'a'; });
    loop.post([&] { seen += 'b'; });
    loop.post([&] { loop.stop(); });
    loop.run();
    EXPECT_EQ(seen, "ab");
}

TEST(EventLoop, ATimerWhoseHandleIsGoneDoesNotFire) {
    const SystemClock clock;
    EventLoop loop(clock);
    bool fired = false;
    auto dropped = loop.after(1ms, [&] { fired = true; });
    dropped.reset();
    const auto end = loop.after(20ms, [&] { loop.stop(); });
    loop.run();
    EXPECT_FALSE(fired);
}

TEST(EventLoop, APeriodicTimerMayEndItself) {
    const SystemClock clock;
    EventLoop loop(clock);
    int count = 0;
    std::unique_ptr<EventLoop::Timer> timer;
    timer = loop.every(1ms, [&] {
        if (++count == 3) {
            timer.reset();
            loop.stop();
        }
    });
    loop.run();
    EXPECT_EQ(count, 3);
}

TEST(EventLoop, WorkIsDoneElsewhereAndReturnsToTheLoop) {
    const SystemClock clock;
    EventLoop loop(clock);
    std::thread::id worked;
    std::thread::id done;
    ASSERT_TRUE(loop.offload([&] { worked = std::this_thread::get_id(); },
                             [&] {
                                 done = std::this_thread::get_id();
                                 loop.stop();
                             }));
    loop.run();
    EXPECT_EQ(done, std::this_thread::get_id());
    EXPECT_NE(worked, done);
}

TEST(EventLoop, TooMuchWaitingWorkIsRefused) {
    const SystemClock clock;
    EventLoop loop(clock, 0);
    for (int i = 0; i < 256; ++i) {
        ASSERT_TRUE(loop.offload([] {}, [] {}));
    }
    const auto refused = loop.offload([] {}, [] {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
}

TEST(EventLoop, StopSignalsReachTheLoop) {
    const SystemClock clock;
    EventLoop loop(clock);
    int seen = 0;
    loop.on_stop_signal([&](int signal) {
        seen = signal;
        loop.stop();
    });
    loop.post([] { std::raise(SIGTERM); });
    loop.run();
    EXPECT_EQ(seen, SIGTERM);
}

}  // namespace
}  // namespace sust::core
