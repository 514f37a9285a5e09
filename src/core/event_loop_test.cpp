#include "core/event_loop.h"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/fd.h"

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

TEST(EventLoop, TellsEveryTimeThatADescriptorIsReadable) {
    const SystemClock clock;
    EventLoop loop(clock);
    const Fd counter(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    int told = 0;
    const auto reader = loop.on_readable(counter.get(), [&] {
        std::uint64_t value = 0;
        ASSERT_EQ(::read(counter.get(), &value, sizeof value), sizeof value);
        if (++told == 3) {
            loop.stop();
        } else {
            value = 1;
            ASSERT_EQ(::write(counter.get(), &value, sizeof value), sizeof value);
        }
    });
    ASSERT_TRUE(reader);
    loop.run();
    EXPECT_EQ(told, 3);
}

TEST(EventLoop, ADescriptorWhoseHandleIsGoneIsNotWatched) {
    const SystemClock clock;
    EventLoop loop(clock);
    const Fd counter(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    bool told = false;
    loop.on_readable(counter.get(), [&] { told = true; })->reset();
    const auto end = loop.after(20ms, [&] { loop.stop(); });
    loop.run();
    EXPECT_FALSE(told);
    EXPECT_FALSE(loop.on_readable(-1, [] {}));
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
