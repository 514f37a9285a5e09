#include "cluster/book.h"

#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <poll.h>

namespace sust::cluster {
namespace {

using core::Fault;
using testing::HasSubstr;

class StillJob final : public BookedJob {
  public:
    using BookedJob::BookedJob;
    bool look() override {
        EXPECT_TRUE(kept_.load());
        return false;
    }
    Result<void> stop() override { return {}; }
    Result<std::int64_t> resubmit(const Orders&) override { return 2; }
};

// Its jobs are written by other threads, and are only looked at.
class WrittenBook final : public Book {
  public:
    WrittenBook(const Path& jobs, const core::Clock& clock, std::size_t most = 1000)
        : Book({.jobs = jobs, .max_live_jobs = most}, clock, core::Log::silent()) {
        EXPECT_TRUE(open());
    }
    std::string_view name() const override { return "written"; }
    std::set<Capability> capabilities() const override { return {}; }
    Result<void> accepts(const JobSpec& spec) const override {
        return spec.priority == 1 ? core::fail(Fault::invalid, "priority 1") : Result<void>();
    }
    Result<std::vector<Node>> nodes() override { return std::vector<Node>(); }
    void hold(std::string_view, std::string_view, Then<void> then) override { then({}); }
    void release(std::string_view, Then<void> then) override { then({}); }
    void outlook(const JobSpec&, Then<Outlook> then) override { then(Outlook{}); }
    void check(Then<std::vector<CheckLine>> then) override { then(std::vector<CheckLine>()); }
    void poll() override {
        workers.collect();
        Book::poll();
    }

    Worker workers{"words", 2};

  protected:
    Worker* writers() override { return &workers; }
    std::unique_ptr<BookedJob> book(KeptJob job) override {
        return std::make_unique<StillJob>(std::move(job));
    }
};

class BookTest : public testing::Test {
  protected:
    static JobSpec spec(const std::string& token, int priority = 0) {
        return {.token = {token}, .argv = {"true"}, .priority = priority};
    }
    // Until something can be collected.
    static void wait(WrittenBook& book) {
        pollfd entry{.fd = book.workers.fd(), .events = POLLIN, .revents = 0};
        ASSERT_EQ(::poll(&entry, 1, 60'000), 1);
        book.poll();
    }
    static bool is_described(WrittenBook& book, const std::string& token) {
        return book.describe({token}).value().has_value();
    }
    Path word(const std::string& token) const { return home_.path() / token / "job.json"; }

    core::SystemClock clock_;
    core::TemporaryDirectory home_ =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "book-").value();
};

TEST_F(BookTest, JobsOfASetAreDescribedOnceTheirWordsAreOnDisk) {
    std::vector<Result<void>> taken;
    {
        WrittenBook book(home_.path(), clock_);
        book.submit_all({spec("a"), spec("b", 1), spec("c")}, [&](auto said) { taken = said; });
        EXPECT_TRUE(taken.empty()) << "the answer is collected";
        EXPECT_FALSE(is_described(book, "a"));
        EXPECT_EQ(book.submit(spec("a")).error().fault, Fault::unavailable);
        wait(book);
        ASSERT_EQ(taken.size(), 3U);
        EXPECT_TRUE(taken[0] && taken[2]);
        EXPECT_THAT(taken[1].error().message, HasSubstr("priority 1")) << "that one alone";
        EXPECT_TRUE(is_described(book, "a") && is_described(book, "c"));
        EXPECT_TRUE(core::path_exists(word("a")) && core::path_exists(word("c")));
        EXPECT_FALSE(core::path_exists(word("b")));
        EXPECT_TRUE(book.submit(spec("a"))) << "one token is one job";
    }
    WrittenBook next(home_.path(), clock_);
    EXPECT_EQ(next.list()->size(), 2U);
}

TEST_F(BookTest, OneTokenIsOneJobOverSetsThatAreWrittenAtOnce) {
    WrittenBook book(home_.path(), clock_);
    std::vector<Result<void>> first, second;
    book.submit_all({spec("a"), spec("a")}, [&](auto said) { first = said; });
    book.submit_all({spec("a"), spec("b")}, [&](auto said) { second = said; });
    while (first.empty() || second.empty()) {
        wait(book);
    }
    EXPECT_TRUE(first[0] && second[1]);
    EXPECT_EQ(first[1].error().fault, Fault::unavailable);
    EXPECT_EQ(second[0].error().fault, Fault::unavailable);
    book.submit_all({spec("a")}, [&](auto said) { second = said; });
    wait(book);
    ASSERT_EQ(second.size(), 1U);
    EXPECT_TRUE(second[0]) << "it is known, and the same";
    EXPECT_EQ(book.list()->size(), 2U);
}

TEST_F(BookTest, JobsThatAreBeingWrittenCount) {
    WrittenBook book(home_.path(), clock_, 2);
    std::vector<Result<void>> taken;
    book.submit_all({spec("a"), spec("b"), spec("c")}, [&](auto said) { taken = said; });
    wait(book);
    ASSERT_EQ(taken.size(), 3U);
    EXPECT_TRUE(taken[0] && taken[1]);
    EXPECT_EQ(taken[2].error().fault, Fault::exhausted);
    EXPECT_EQ(book.list()->size(), 2U);
}

// Few are synced one by one, many as a whole.
TEST_F(BookTest, WhatCannotBeWrittenLeavesNothingAndItsNeighboursAreThere) {
    WrittenBook book(home_.path(), clock_);
    ASSERT_TRUE(core::write_file(home_.path() / "file", "no directory"));
    std::vector<std::string> good = {"b1"};
    for (int round = 0; round < 2; ++round) {
        const auto blocked = "blocked" + std::to_string(round);
        const auto where = home_.path() / blocked;
        ASSERT_TRUE(core::make_directories(where / "fence.json"));
        ASSERT_TRUE(core::make_directories(where / ".job.json.draft"));
        std::vector<JobSpec> specs = {spec("file"), spec(blocked)};
        for (const auto& token : good) {
            specs.push_back(spec(token));
        }
        std::vector<Result<void>> taken;
        book.submit_all(specs, [&](auto said) { taken = said; });
        wait(book);
        ASSERT_EQ(taken.size(), 2 + good.size());
        EXPECT_FALSE(taken[0]);
        EXPECT_FALSE(taken[1]);
        EXPECT_FALSE(core::path_exists(where));
        for (std::size_t i = 0; i < good.size(); ++i) {
            EXPECT_TRUE(taken[2 + i]) << core::to_string(taken[2 + i].error());
            EXPECT_TRUE(is_described(book, good[i]));
            EXPECT_TRUE(core::path_exists(word(good[i])));
        }
        good = {"c1", "c2", "c3", "c4"};
    }
    EXPECT_EQ(book.list()->size(), 5U);
}

TEST_F(BookTest, ADraftThatWasCutOffIsNoJobAndIsWrittenAgain) {
    const std::vector<JobSpec> specs = {spec("a"), spec("b"), spec("c")};
    const auto draft = [&](const std::string& token) {
        const auto where = home_.path() / token;
        ASSERT_TRUE(core::make_directories(where / "1"));
        ASSERT_TRUE(core::write_file(where / ".job.json.draft", "{\"half\":"));
    };
    draft("a");
    {
        WrittenBook book(home_.path(), clock_);
        EXPECT_FALSE(core::path_exists(home_.path() / "a"));
        draft("b");
        std::vector<Result<void>> taken;
        book.submit_all(specs, [&](auto said) { taken = said; });
        wait(book);
        EXPECT_EQ(book.list()->size(), 3U);
    }
    WrittenBook next(home_.path(), clock_);
    for (const auto& one : specs) {
        EXPECT_TRUE(next.submit(one)) << "it is there, and is this one";
    }
    EXPECT_EQ(next.list()->size(), 3U);
}

TEST(WorkerTest, ItsThreadsWorkAtOnceAndEachOutcomeIsCollectedOnce) {
    Worker worker("test", 2);
    std::promise<void> here, there;
    int collected = 0;
    const auto patience = std::chrono::seconds(60);
    // Each waits for the other: one after the other they would both give up.
    std::atomic<int> met = 0;
    ASSERT_TRUE(worker.post(
        [&, other = there.get_future().share()] {
            here.set_value();
            met += other.wait_for(patience) == std::future_status::ready ? 1 : 0;
        },
        [&] { ++collected; }));
    ASSERT_TRUE(worker.post(
        [&, other = here.get_future().share()] {
            there.set_value();
            met += other.wait_for(patience) == std::future_status::ready ? 1 : 0;
        },
        [&] { ++collected; }));
    while (collected < 2) {
        pollfd entry{.fd = worker.fd(), .events = POLLIN, .revents = 0};
        ASSERT_EQ(::poll(&entry, 1, 120'000), 1);
        worker.collect();
    }
    EXPECT_EQ(met, 2);
    worker.collect();
    EXPECT_EQ(collected, 2);
}

}  // namespace
}  // namespace sust::cluster
