#include "serve/ledger.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <semaphore>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/json_scan.h"
#include "serve/limits.h"

namespace sust::serve {

using core::Result;

namespace {

constexpr core::Duration k_sync = 1s;
constexpr core::Duration k_gather = 20ms;      // lines that share one write
constexpr core::Duration k_flush = 5s;         // at the end, for a disk that is full
constexpr core::Duration k_try_again = 200ms;  // after a failed write

std::string_view to_string(PromptCount count) {
    switch (count) {
        case PromptCount::engine:
            return "engine";
        case PromptCount::tokenizer:
            return "tokenizer";
        case PromptCount::estimate:
            return "estimate";
    }
    return "estimate";
}

// What a kill in the middle of a write left: the file ends with a whole line again.
void cut_torn_line(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return;
    }
    off_t end = status.st_size;
    char last = '\n';
    while (end > 0 && ::pread(fd, &last, 1, end - 1) == 1 && last != '\n') {
        --end;
    }
    if (end != status.st_size && ::ftruncate(fd, end) != 0) {
        return;
    }
}

}  // namespace

std::string to_line(const UsageRecord& record) {
    const auto ttft = record.time_to_first_token
                          ? std::to_string(record.time_to_first_token->count())
                          : std::string("null");
    return fmt::format(
        R"({{"ts":"{}","request_id":{},"key":{},"model":{},"service":{},"replica":{},"status":{},)"
        R"("stream":{},"prompt_tokens":{},"completion_tokens":{},"counted_by":"{}",)"
        R"("prompt_counted_by":"{}","ttft_ms":{},"duration_ms":{},"aborted":{},"error":{}}})"
        "\n",
        core::rfc3339(record.time), quote(record.request_id), quote(record.key),
        quote(record.model), quote(record.service), quote(record.replica), record.status,
        record.stream, record.prompt_tokens, record.completion_tokens,
        record.counted_by == CountedBy::engine ? "engine" : "relay",
        to_string(record.prompt_counted_by), ttft, record.duration.count(), record.aborted,
        record.error.empty() ? "null" : quote(record.error));
}

struct Ledger::Impl {
    Impl(const core::Clock& clock_in, core::Log log_in, core::Path directory_in, std::string name)
        : clock(clock_in),
          log(std::move(log_in)),
          directory(std::move(directory_in)),
          gateway(std::move(name)) {}

    struct Line {
        std::string date;
        std::string text;
        Line* older = nullptr;
    };

    Result<void> open_file(const std::string& wanted);
    // What could not be written stays in `batch`.
    void write(std::vector<Line>& batch);
    bool write_some(std::vector<Line>& batch);
    void sync();
    void run();

    const core::Clock& clock;
    core::Log log;
    core::Path directory;
    std::string gateway;

    // Lines wait in a list that threads push to without a lock and the writer takes whole.
    void push(std::unique_ptr<Line> line);
    void take(std::vector<Line>& batch);

    std::atomic<std::size_t> reserved{0};
    std::atomic<Line*> newest{nullptr};
    std::counting_semaphore<> wake{0};  // given when the list was empty, and to stop
    std::atomic<bool> stopping{false};

    // Of the thread only:
    core::Fd file;
    std::string date;
    bool dirty = false;
    bool failing = false;
    core::MonoTime synced{};
    std::thread thread;
};

Result<void> Ledger::Impl::open_file(const std::string& wanted) {
    if (file && date == wanted) {
        return {};
    }
    sync();
    const auto path = directory / (gateway + "-" + wanted + ".jsonl");
    core::Fd opened(::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (!opened) {
        return core::fail_errno("open " + path.string(), errno);
    }
    cut_torn_line(opened.get());
    file = std::move(opened);
    date = wanted;
    return {};
}

void Ledger::Impl::sync() {
    if (file && dirty) {
        ::fdatasync(file.get());
        dirty = false;
    }
    synced = clock.monotonic();
}

bool Ledger::Impl::write_some(std::vector<Line>& batch) {
    if (auto opened = open_file(batch.front().date); !opened) {
        if (!failing) {
            log.error("the ledger cannot be written; requests are refused once its queue is full",
                      opened.error());
        }
        return false;
    }
    std::string bytes;
    std::size_t lines = 0;
    while (lines < batch.size() && batch[lines].date == date) {
        bytes += batch[lines++].text;
    }
    const auto written = ::write(file.get(), bytes.data(), bytes.size());
    if (written <= 0) {
        if (!failing) {
            log.error("the ledger cannot be written; requests are refused once its queue is full",
                      {{"errno", std::to_string(errno)}});
        }
        return false;
    }
    dirty = true;
    // A disk that fills takes a part: the rest of that line goes on where it stopped.
    auto left = static_cast<std::size_t>(written);
    std::size_t done = 0;
    while (done < lines && left >= batch[done].text.size()) {
        left -= batch[done++].text.size();
    }
    if (done < lines) {
        batch[done].text.erase(0, left);
    }
    batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(done));
    reserved.fetch_sub(done);
    return true;
}

void Ledger::Impl::write(std::vector<Line>& batch) {
    while (!batch.empty()) {
        if (!write_some(batch)) {
            failing = true;
            return;
        }
        if (failing) {
            log.info("the ledger is written again");
            failing = false;
        }
    }
}

void Ledger::Impl::push(std::unique_ptr<Line> line) {
    // Once it is in the list the line is the writer's: nothing of it is read afterwards.
    auto* raw = line.release();
    auto* older = newest.load(std::memory_order_relaxed);
    do {
        raw->older = older;
    } while (!newest.compare_exchange_weak(older, raw, std::memory_order_release,
                                           std::memory_order_relaxed));
    if (older == nullptr) {
        wake.release();
    }
}

void Ledger::Impl::take(std::vector<Line>& batch) {
    const auto before = static_cast<std::ptrdiff_t>(batch.size());
    for (auto* line = newest.exchange(nullptr, std::memory_order_acquire); line != nullptr;) {
        const std::unique_ptr<Line> owned(line);
        line = owned->older;
        batch.push_back(std::move(*owned));
    }
    std::reverse(batch.begin() + before, batch.end());
}

void Ledger::Impl::run() {
    std::vector<Line> batch;
    std::optional<core::Deadline> last;
    while (!last || (!batch.empty() && !last->passed())) {
        if (!batch.empty()) {
            std::this_thread::sleep_for(k_try_again);
        } else if (dirty) {
            (void)wake.try_acquire_for(k_sync);
        } else {
            wake.acquire();
        }
        if (stopping.load() && !last) {
            last.emplace(clock, k_flush);
        } else if (!last) {
            std::this_thread::sleep_for(k_gather);
        }
        take(batch);
        write(batch);
        if (dirty && clock.monotonic() - synced >= k_sync) {
            sync();
        }
    }
    sync();
    if (!batch.empty()) {
        log.error("usage of finished requests was lost with the ledger's disk",
                  {{"lines", std::to_string(batch.size())}});
    }
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
    impl_->thread = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "ledger");
        impl_->run();
    });
}

Result<std::unique_ptr<Ledger>> Ledger::open(const core::Clock& clock, core::Log log,
                                             const core::Path& directory, std::string gateway) {
    TRY(core::make_directories(directory, 0700));
    auto impl = std::make_unique<Impl>(clock, std::move(log), directory, std::move(gateway));
    TRY(impl->open_file(core::rfc3339(clock.wall()).substr(0, 10)));
    return std::unique_ptr<Ledger>(new Ledger(std::move(impl)));
}

Ledger::~Ledger() {
    impl_->stopping.store(true);
    impl_->wake.release();
    impl_->thread.join();
}

std::optional<Ledger::Place> Ledger::reserve() {
    if (impl_->reserved.fetch_add(1) >= k_ledger_queue) {
        impl_->reserved.fetch_sub(1);
        return std::nullopt;
    }
    return Place(*this);
}

Ledger::Place& Ledger::Place::operator=(Place&& other) noexcept {
    std::swap(ledger_, other.ledger_);
    return *this;
}

Ledger::Place::~Place() {
    if (ledger_ != nullptr) {
        ledger_->impl_->reserved.fetch_sub(1);
    }
}

void Ledger::Place::write(const UsageRecord& record) {
    auto* ledger = std::exchange(ledger_, nullptr);
    if (ledger == nullptr) {
        return;
    }
    auto line = std::make_unique<Impl::Line>();
    line->date = core::rfc3339(record.time).substr(0, 10);
    line->text = to_line(record);
    ledger->impl_->push(std::move(line));
}

}  // namespace sust::serve
