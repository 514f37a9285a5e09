#include "apps/sust/data_report.h"

#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/sust/print.h"
#include "core/text.h"
#include "tune/data.h"

namespace sust::cli {
namespace {

// Every error is shown; the bound only keeps a file of a million bad lines from filling memory.
constexpr tune::DataLimits k_limits{.max_problems_kept = 100'000};

void print_problems(const tune::DataReport& report, const core::Path& file) {
    for (const auto& problem : report.problems) {
        std::cerr << tune::to_string(problem, file.string()) << '\n';
    }
    if (report.problem_count > report.problems.size()) {
        std::cerr << fmt::format("... and {} more\n",
                                 report.problem_count - report.problems.size());
    }
}

}  // namespace

Result<int> report_data(const Context& context, const core::Path& file) {
    const auto report = TRY(tune::check_data_file(file, {}, k_limits));
    if (!context.json) {
        print_problems(report, file);
    }
    const std::string verdict =
        report.good()
            ? fmt::format("{}: good: {} {} lines, {}, longest {} bytes (line {}), {} duplicates",
                          file.string(), report.lines, tune::to_string(*report.format),
                          core::format_size(report.bytes), report.longest_bytes,
                          report.longest_line, report.duplicates)
            : fmt::format("{}: {} errors in {} lines", file.string(), report.problem_count,
                          report.lines);
    print_done(context, report, verdict);
    return report.good() ? 0 : core::exit_code(Fault::invalid);
}

Result<std::string> require_good_data(const Context& context, const core::Path& file) {
    const auto report = TRY(tune::check_data_file(file, {}, k_limits));
    if (report.good()) {
        return std::string(tune::to_string(*report.format));
    }
    if (context.json) {
        print_json(report);
    } else {
        print_problems(report, file);
    }
    return core::fail(Fault::invalid,
                      fmt::format("{} errors, nothing was added", report.problem_count),
                      {.where = file.string(), .hint = "mend the lines that are named"});
}

}  // namespace sust::cli
