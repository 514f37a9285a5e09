#pragma once

// What was used, one JSON line per finished request, in <directory>/<gateway>-<UTC date>.jsonl.
// A request takes a Place before anything is generated for it, so that a full disk refuses work
// instead of losing its count. A thread of the ledger's own writes every 20 ms what came and syncs
// at most each second: a process that is killed loses the lines of its last 20 ms (and requests
// that had not ended), a machine without power those of its last second.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/result.h"

namespace sust::serve {

enum class CountedBy { engine, relay };
enum class PromptCount { engine, tokenizer, estimate };

struct UsageRecord {
    core::WallTime time{};  // of the end
    std::string request_id;
    std::string key;
    std::string model;
    std::string service;
    std::string replica;  // empty: none took the request
    int status = 0;       // 499: the client left
    bool stream = false;
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    CountedBy counted_by = CountedBy::engine;
    PromptCount prompt_counted_by = PromptCount::engine;
    std::optional<core::Duration> time_to_first_token;
    core::Duration duration{};
    bool aborted = false;
    std::string error;  // the code of the error, if there was one
};

std::string to_line(const UsageRecord& record);

// Safe from every thread.
class Ledger {
  public:
    static core::Result<std::unique_ptr<Ledger>> open(const core::Clock& clock, core::Log log,
                                                      const core::Path& directory,
                                                      std::string gateway);
    // Writes what waits (for at most 5 s on a full disk), syncs, joins.
    ~Ledger();

    // The promise of one line. Dropped unused it promises nothing.
    class Place {
      public:
        Place(Place&& other) noexcept : ledger_(std::exchange(other.ledger_, nullptr)) {}
        Place& operator=(Place&& other) noexcept;
        ~Place();
        void write(const UsageRecord& record);

      private:
        friend class Ledger;
        explicit Place(Ledger& ledger) : ledger_(&ledger) {}
        Ledger* ledger_;
    };
    // Nothing if too many lines wait for the disk.
    std::optional<Place> reserve();

  private:
    struct Impl;
    explicit Ledger(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sust::serve
