#include "tune/data.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <unordered_set>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/text.h"
#include "tune/data_line.h"

namespace sust::tune {

using core::fail;
using core::Fault;

std::string_view to_string(DataFormat format) {
    return format == DataFormat::chat ? "chat" : "completions";
}

Result<DataFormat> parse_data_format(std::string_view text) {
    for (const auto format : {DataFormat::chat, DataFormat::completions}) {
        if (text == to_string(format)) {
            return format;
        }
    }
    return fail(Fault::invalid, "unknown data format '" + core::printable(text, 40) + "'",
                {.hint = "chat or completions"});
}

std::string to_string(const DataProblem& problem, std::string_view file) {
    std::string text(file);
    if (problem.line > 0) {
        text += fmt::format(":{}", problem.line);
    }
    if (problem.column > 0) {
        text += fmt::format(":{}", problem.column);
    }
    return text + ": " + problem.reason;
}

void to_json(nlohmann::json& json, const DataReport& report) {
    auto problems = nlohmann::json::array();
    for (const auto& problem : report.problems) {
        problems.push_back(
            {{"line", problem.line}, {"column", problem.column}, {"reason", problem.reason}});
    }
    json = {{"format", report.format ? nlohmann::json(to_string(*report.format)) : nullptr},
            {"lines", report.lines},
            {"bytes", report.bytes},
            {"turns", report.turns},
            {"duplicates", report.duplicates},
            {"longest_bytes", report.longest_bytes},
            {"longest_line", report.longest_line},
            {"problem_count", report.problem_count},
            {"problems", std::move(problems)}};
}

struct DataCheck::Impl {
    std::optional<DataFormat> format;
    DataLimits limits;
    DataReport report{};
    std::string line{};  // the beginning of a line whose end has not come yet
    bool line_too_long = false;
    bool file_too_large = false;
    std::unordered_set<std::size_t> seen{};

    void problem(std::uint64_t at, LineProblem found) {
        ++report.problem_count;
        if (report.problems.size() < limits.max_problems_kept) {
            report.problems.push_back(
                {.line = at, .column = found.column, .reason = std::move(found.reason)});
        }
    }

    void take(std::string_view piece) {
        const std::size_t room =
            limits.max_line_bytes - std::min(line.size(), limits.max_line_bytes);
        line_too_long = line_too_long || piece.size() > room;
        line.append(piece.substr(0, room));
    }

    void end_line() {
        ++report.lines;
        if (line_too_long) {
            problem(report.lines,
                    {.reason = "longer than " + core::format_size(limits.max_line_bytes) +
                               "; one example must be shorter"});
        } else {
            judge_line();
        }
        line.clear();
        line_too_long = false;
    }

    void judge_line() {
        if (line.size() > report.longest_bytes) {
            report.longest_bytes = line.size();
            report.longest_line = report.lines;
        }
        count_duplicate();
        auto facts = check_line(line, format, report.lines);
        if (!format && facts.format) {
            format = facts.format;
        }
        if (facts.problem) {
            problem(report.lines, std::move(*facts.problem));
        }
        report.turns += facts.turns;
    }

    // By hash alone: a false match is a wrong count once in 2^44 files of this size.
    void count_duplicate() {
        const std::size_t hash = std::hash<std::string_view>{}(line);
        if (seen.contains(hash)) {
            ++report.duplicates;
        } else if (seen.size() < limits.max_lines_compared) {
            seen.insert(hash);
        }
    }
};

DataCheck::DataCheck(std::optional<DataFormat> format, DataLimits limits)
    : impl_(std::make_unique<Impl>(Impl{.format = format, .limits = limits})) {}
DataCheck::~DataCheck() = default;
DataCheck::DataCheck(DataCheck&&) noexcept = default;
DataCheck& DataCheck::operator=(DataCheck&&) noexcept = default;

void DataCheck::feed(std::string_view piece) {
    auto& self = *impl_;
    if (self.file_too_large) {
        return;
    }
    self.report.bytes += piece.size();
    if (self.report.bytes > self.limits.max_file_bytes) {
        self.file_too_large = true;
        self.problem(0, {.reason = "larger than " + core::format_size(self.limits.max_file_bytes) +
                                   "; split it"});
        return;
    }
    for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
        self.take(piece.substr(0, end));
        self.end_line();
        piece.remove_prefix(end + 1);
    }
    self.take(piece);
}

DataReport DataCheck::finish() {
    auto& self = *impl_;
    if (!self.line.empty() || self.line_too_long) {
        self.end_line();
    }
    if (self.report.lines == 0 && self.report.problem_count == 0) {
        self.problem(0, {.reason = "empty; one JSON object per line is expected"});
    }
    self.report.format = self.format;
    return std::move(self.report);
}

Result<DataReport> check_data_file(const Path& file, std::optional<DataFormat> format,
                                   DataLimits limits) {
    const core::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return core::fail_errno("open " + file.string(), errno);
    }
    DataCheck check(format, limits);
    std::vector<char> buffer(256 << 10);
    while (true) {
        const auto count = ::read(fd.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return core::fail_errno("read " + file.string(), errno);
        }
        if (count == 0) {
            return check.finish();
        }
        check.feed({buffer.data(), static_cast<std::size_t>(count)});
    }
}

Result<void> require_good(const DataReport& report, std::string_view file) {
    if (report.good()) {
        return {};
    }
    std::string message =
        fmt::format("{} of {} lines have errors", report.problem_count, report.lines);
    for (const auto& problem : report.problems) {
        message += "\n  " + to_string(problem, file);
    }
    if (report.problem_count > report.problems.size()) {
        message += fmt::format("\n  and {} more", report.problem_count - report.problems.size());
    }
    return fail(Fault::invalid, std::move(message),
                {.where = std::string(file), .hint = "sust data check FILE shows them again"});
}

}  // namespace sust::tune
