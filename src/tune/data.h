#pragma once

// Training and evaluation data: chat or completions as JSON lines (docs/formats/data.md).
// Read as a stream: memory does not grow with the file.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/file.h"
#include "core/result.h"

namespace sust::tune {

using core::Path;
using core::Result;

enum class DataFormat { chat, completions };
std::string_view to_string(DataFormat format);
Result<DataFormat> parse_data_format(std::string_view text);

struct DataLimits {
    std::size_t max_line_bytes = 1 << 20;        // one example; far over any context window
    std::uint64_t max_file_bytes = 16ULL << 30;  // a tuning set, not a pre-training corpus
    std::size_t max_problems_kept = 20;          // all are counted, the first ones told
    std::size_t max_lines_compared = 1 << 20;    // for duplicates: 8 bytes of memory each
};

struct DataProblem {
    std::uint64_t line = 0;    // from 1; 0: the file as a whole
    std::uint64_t column = 0;  // byte in the line, from 1; 0: the line as a whole
    std::string reason;

    bool operator==(const DataProblem&) const = default;
};
// "FILE:12:40: unexpected end of input", without the parts that are absent.
std::string to_string(const DataProblem& problem, std::string_view file);

struct DataReport {
    std::optional<DataFormat> format;  // absent: no line could be told
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
    std::uint64_t turns = 0;          // messages of chats; one per completion
    std::uint64_t duplicates = 0;     // lines equal to an earlier one: allowed, told
    std::uint64_t longest_bytes = 0;  // of a line
    std::uint64_t longest_line = 0;
    std::uint64_t problem_count = 0;
    std::vector<DataProblem> problems;

    bool good() const { return problem_count == 0; }
};

void to_json(nlohmann::json& json, const DataReport& report);

// Takes the file in pieces of any size. Without a format the first line decides.
class DataCheck {
  public:
    explicit DataCheck(std::optional<DataFormat> format = {}, DataLimits limits = {});
    ~DataCheck();
    DataCheck(DataCheck&&) noexcept;
    DataCheck& operator=(DataCheck&&) noexcept;

    void feed(std::string_view piece);
    DataReport finish();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// An error only if the file cannot be read; what is wrong in it is in the report.
Result<DataReport> check_data_file(const Path& file, std::optional<DataFormat> format = {},
                                   DataLimits limits = {});
// The report as an error (invalid) that shows its problems line by line; ok for good data.
Result<void> require_good(const DataReport& report, std::string_view file);

}  // namespace sust::tune
