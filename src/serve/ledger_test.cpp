#include "serve/ledger.h"

#include <csignal>
#include <filesystem>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "serve/limits.h"

namespace sust::serve {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

// A look at it takes a second, so that deadlines pass without a wait for them.
class HastyClock final : public core::Clock {
  public:
    core::WallTime wall() const override { return core::ManualClock().wall(); }
    core::MonoTime monotonic() const override {
        return core::MonoTime(std::chrono::seconds(++looks_));
    }

  private:
    mutable std::atomic<int> looks_{0};
};

class Ledgers : public testing::Test {
  protected:
    static constexpr auto k_today = "2026-01-01";
    static constexpr auto k_tomorrow = "2026-01-02";

    core::Path file(const std::string& date) const { return directory / ("gw-" + date + ".jsonl"); }
    void open(const core::Clock& with) {
        auto opened = Ledger::open(with, log, directory, "gw");
        ASSERT_TRUE(opened) << core::to_string(opened.error());
        ledger = std::move(*opened);
    }
    void open() { open(clock); }
    // The whole content, once the ledger has written all.
    std::string closed(const std::string& date = k_today) {
        ledger.reset();
        return core::read_file(file(date), 64 << 20).value_or("");
    }
    UsageRecord record(const std::string& id, core::Duration later = 0ms) const {
        UsageRecord out;
        out.time = clock.wall() + later;
        out.request_id = id;
        return out;
    }
    void write(const std::string& id, core::Duration later = 0ms) {
        auto place = ledger->reserve();
        ASSERT_TRUE(place);
        place->write(record(id, later));
    }
    // Waits until the ledger says something.
    std::string said() {
        std::string text(8192, '\0');
        const auto got = ::read(pipe.read.get(), text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }

    const core::ManualClock clock;
    core::TemporaryDirectory home =
        core::TemporaryDirectory::create(testing::TempDir(), "ledger-").value();
    core::Path directory = home.path() / "ledger";
    core::Pipe pipe = core::make_pipe().value();
    core::Log log{clock, "ledger", pipe.write.get(), core::LogForm::json};
    std::unique_ptr<Ledger> ledger;
};

std::vector<std::string> ids(const std::string& lines) {
    std::vector<std::string> out;
    for (const auto& line : core::split(lines, '\n')) {
        if (!line.empty()) {
            out.push_back(json::parse(line).at("request_id"));
        }
    }
    return out;
}

// --- Lines -----------------------------------------------------------------------------------

TEST(LedgerLines, SayAllOfARecord) {
    const core::ManualClock clock;
    const auto line = to_line({.time = clock.wall(),
                               .request_id = "req-1",
                               .key = "key-1",
                               .model = "tiny",
                               .service = "triage",
                               .replica = "triage-1",
                               .status = 200,
                               .stream = true,
                               .prompt_tokens = 21,
                               .completion_tokens = 9,
                               .counted_by = CountedBy::relay,
                               .prompt_counted_by = PromptCount::tokenizer,
                               .time_to_first_token = 12ms,
                               .duration = 80ms,
                               .aborted = true,
                               .error = "engine_lost"});
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(json::parse(line), json::parse(R"({
        "ts": "2026-01-01T00:00:00.000Z", "request_id": "req-1", "key": "key-1", "model": "tiny",
        "service": "triage", "replica": "triage-1", "status": 200, "stream": true,
        "prompt_tokens": 21, "completion_tokens": 9, "counted_by": "relay",
        "prompt_counted_by": "tokenizer", "ttft_ms": 12, "duration_ms": 80, "aborted": true,
        "error": "engine_lost"})"));
}

TEST(LedgerLines, SayNullForWhatThereWasNot) {
    const auto line = json::parse(to_line({}));
    EXPECT_TRUE(line.at("ttft_ms").is_null());
    EXPECT_TRUE(line.at("error").is_null());
    EXPECT_EQ(line.at("counted_by"), "engine");
    EXPECT_EQ(line.at("prompt_counted_by"), "engine");
}

TEST(LedgerLines, CannotBeForgedByANameInThem) {
    UsageRecord record;
    record.model = "a\"}\n{\"request_id\":\"forged\\";
    const auto line = to_line(record);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(json::parse(line).at("model"), record.model);
}

// --- Places ----------------------------------------------------------------------------------

TEST_F(Ledgers, KeepOneLineForEachPlaceThatWasUsed) {
    open();
    write("a");
    write("b");
    write("c");
    EXPECT_THAT(ids(closed()), ElementsAre("a", "b", "c"));
    struct stat status {};
    ASSERT_EQ(::stat(file(k_today).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(Ledgers, KeepNoLineForAPlaceThatWasDropped) {
    open();
    {
        const auto dropped = ledger->reserve();
        ASSERT_TRUE(dropped);
    }
    write("a");
    EXPECT_THAT(ids(closed()), ElementsAre("a"));
}

TEST_F(Ledgers, KeepOneLineOfAPlaceThatIsMovedOrUsedTwice) {
    open();
    auto place = ledger->reserve();
    ASSERT_TRUE(place);
    auto moved = std::move(*place);
    place->write(record("of the empty one"));
    moved.write(record("a"));
    moved.write(record("again"));
    EXPECT_THAT(ids(closed()), ElementsAre("a"));
}

TEST_F(Ledgers, PromiseNoMorePlacesThanLinesMayWait) {
    open();
    std::vector<Ledger::Place> places;
    while (places.size() < k_ledger_queue) {
        auto place = ledger->reserve();
        ASSERT_TRUE(place) << "after " << places.size();
        places.push_back(std::move(*place));
    }
    EXPECT_FALSE(ledger->reserve());
    EXPECT_FALSE(ledger->reserve()) << "a refusal takes no place";
    places.pop_back();
    auto last = ledger->reserve();
    EXPECT_TRUE(last) << "a place that was dropped is free again";
    EXPECT_FALSE(ledger->reserve());
    places.front() = std::move(*last);
    last.reset();
    EXPECT_TRUE(ledger->reserve()) << "as is one that was replaced";
}

TEST_F(Ledgers, KeepTheLinesOfAllThreadsEachInItsOrder) {
    constexpr int k_threads = 4;
    constexpr int k_lines = 500;
    open();
    std::vector<std::thread> threads;
    for (int thread = 0; thread < k_threads; ++thread) {
        threads.emplace_back([this, thread] {
            for (int i = 0; i < k_lines; ++i) {
                ledger->reserve()->write(record(std::to_string(thread * k_lines + i)));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    std::map<int, int> next;
    for (const auto& id : ids(closed())) {
        const int number = std::stoi(id);
        EXPECT_EQ(number % k_lines, next[number / k_lines]++);
    }
    for (int thread = 0; thread < k_threads; ++thread) {
        EXPECT_EQ(next[thread], k_lines);
    }
}

// --- Files -----------------------------------------------------------------------------------

TEST_F(Ledgers, BeginAFileOfItsOwnForEachDay) {
    open();
    write("a");
    write("b", 24h - 1ms);
    write("c", 24h);
    write("late", 24h - 1ms);
    write("d", 24h);
    EXPECT_THAT(ids(closed(k_today)), ElementsAre("a", "b", "late"));
    EXPECT_THAT(ids(closed(k_tomorrow)), ElementsAre("c", "d"));
}

TEST_F(Ledgers, GoOnInTheFileThatIsThere) {
    for (const auto* id : {"a", "b"}) {
        open();
        write(id);
        ledger.reset();
    }
    EXPECT_THAT(ids(closed()), ElementsAre("a", "b"));
}

TEST_F(Ledgers, CutOffALineThatAKillTore) {
    const auto whole = to_line(record("a"));
    for (std::size_t left = 0; left < whole.size(); left += 17) {
        ASSERT_TRUE(core::make_directories(directory));
        ASSERT_TRUE(core::write_file(file(k_today), whole + whole.substr(0, left)));
        open();
        write("b");
        EXPECT_THAT(ids(closed()), ElementsAre("a", "b")) << "torn after " << left;
        ASSERT_TRUE(core::write_file(file(k_today), whole.substr(0, left)));
        open();
        write("b");
        EXPECT_THAT(ids(closed()), ElementsAre("b")) << "nothing but a line torn after " << left;
    }
}

TEST_F(Ledgers, CannotBeOpenedWhereNoFileCanBe) {
    ASSERT_TRUE(core::write_file(directory, "a file"));
    EXPECT_FALSE(Ledger::open(clock, log, directory, "gw"));
    ASSERT_TRUE(core::remove_tree(directory));
    fs::create_directories(file(k_today));
    const auto refused = Ledger::open(clock, log, directory, "gw");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr(file(k_today).native()));
}

// --- Full disks ------------------------------------------------------------------------------

TEST_F(Ledgers, OnAFullDiskRefuseWorkOnceTheQueueIsFullAndSayWhatWasLost) {
    const HastyClock hasty;
    ASSERT_TRUE(core::make_directories(directory));
    fs::create_symlink("/dev/full", file(k_today));
    open(hasty);
    for (std::size_t i = 0; i < k_ledger_queue; ++i) {
        write("r");
    }
    EXPECT_FALSE(ledger->reserve());
    EXPECT_THAT(said(), HasSubstr("requests are refused once its queue is full"));
    EXPECT_FALSE(ledger->reserve()) << "what was tried and not written keeps its place";
    ledger.reset();
    EXPECT_THAT(said(), HasSubstr("\"lines\":\"" + std::to_string(k_ledger_queue) + "\""));
}

TEST_F(Ledgers, WriteWhatWaitedOnceItCanBe) {
    open();
    fs::create_symlink(home.path() / "later" / "file", file(k_tomorrow));
    write("a", 24h);
    EXPECT_THAT(said(), HasSubstr("cannot be written"));
    write("b", 24h);
    fs::create_directory(home.path() / "later");
    EXPECT_THAT(ids(closed(k_tomorrow)), ElementsAre("a", "b"));
    EXPECT_THAT(said(), HasSubstr("written again"));
}

TEST_F(Ledgers, TakeWorkAgainOnceTheLinesThatWaitedAreWritten) {
    open();
    fs::create_symlink(home.path() / "later" / "file", file(k_tomorrow));
    for (std::size_t i = 0; i < k_ledger_queue; ++i) {
        write("r", 24h);
    }
    EXPECT_FALSE(ledger->reserve());
    EXPECT_THAT(said(), HasSubstr("cannot be written"));
    fs::create_directory(home.path() / "later");
    EXPECT_THAT(said(), HasSubstr("written again"));
    EXPECT_TRUE(ledger->reserve());
}

// Files of this process may not grow over `bytes` while it lives.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit smaller{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &smaller);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, signal_);
    }

  private:
    rlimit before_{};
    void (*signal_)(int);
};

TEST_F(Ledgers, FinishALineOfWhichTheDiskTookAPart) {
    const auto line = to_line(record("a")).size();
    open();
    {
        const FileSizeLimit limit(line + line / 2);
        write("a");
        write("b");
        write("c");
        EXPECT_THAT(said(), HasSubstr("cannot be written"));
        EXPECT_EQ(fs::file_size(file(k_today)), line + line / 2);
    }
    EXPECT_THAT(ids(closed()), ElementsAre("a", "b", "c"));
}

}  // namespace
}  // namespace sust::serve
