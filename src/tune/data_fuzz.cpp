// Any bytes, cut at any place: the check ends, counts what it says, and never depends on the cut.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tune/data.h"

using namespace sust::tune;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const DataLimits limits{
        .max_line_bytes = 4096, .max_file_bytes = 1 << 20, .max_problems_kept = 4};
    DataCheck whole({}, limits);
    whole.feed(text);
    const auto expected = whole.finish();
    const std::size_t cut = size == 0 ? 0 : data[0] % size;
    DataCheck parts({}, limits);
    parts.feed(text.substr(0, cut));
    parts.feed(text.substr(cut));
    const auto report = parts.finish();
    if (report.problem_count != expected.problem_count || report.problems != expected.problems ||
        report.lines != expected.lines || report.problems.size() > limits.max_problems_kept ||
        report.problem_count < report.problems.size()) {
        std::abort();
    }
    return 0;
}
