#include "tune/split.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "core/hash.h"
#include "core/text.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;

namespace {

using Visit = std::function<void(const std::string& line)>;

// Data in the store was checked, so its lines are bounded.
Result<std::uint64_t> visit_lines(const Path& file, const Visit& visit) {
    std::ifstream in(file, std::ios::binary);
    std::uint64_t count = 0;
    for (std::string line; std::getline(in, line);) {
        if (!core::trim(line).empty()) {
            ++count;
            visit(line);
        }
    }
    if (in.bad() || !in.eof()) {
        return fail(Fault::internal, "reading failed", {.where = file.string()});
    }
    return count;
}

// The smallest digests, at most `most` of them. One more than can be held out shows whether a line
// is left to train on.
Result<std::uint64_t> smallest(const Path& file, std::size_t most, std::set<std::string>& chosen) {
    return visit_lines(file, [&](const std::string& line) {
        chosen.insert(core::sha256_hex(line));
        if (chosen.size() > most) {
            chosen.erase(std::prev(chosen.end()));
        }
    });
}

// Written aside and renamed at the end.
class Output {
  public:
    explicit Output(Path path)
        : path_(std::move(path)),
          aside_(path_.string() + ".part"),
          out_(aside_, std::ios::binary) {}
    void write(const std::string& line) { out_ << line << '\n'; }
    Result<void> publish() {
        out_.close();
        if (!out_) {
            return fail(Fault::exhausted, "writing failed; is the disk full?",
                        {.where = path_.string()});
        }
        std::error_code code;
        std::filesystem::rename(aside_, path_, code);
        if (code) {
            return core::fail_errno("rename to " + path_.string(), code.value());
        }
        return core::sync_directory(path_.parent_path());
    }

  private:
    Path path_;
    Path aside_;
    std::ofstream out_;
};

}  // namespace

Result<Split> split_data(const Path& file, const Path& train, const Path& held_out,
                         SplitLimits limits) {
    std::set<std::string> chosen;
    const auto lines = TRY(smallest(file, limits.max_held_out + 1, chosen));
    if (lines < limits.share || chosen.size() < 2) {
        return fail(
            Fault::invalid,
            fmt::format("the data has {} different lines: too few to hold some out for evaluation",
                        std::min<std::uint64_t>(lines, chosen.size())),
            {.hint =
                 fmt::format("add data (at least {} lines), or name evaluation data with --eval",
                             limits.share)});
    }
    const auto keep = std::clamp<std::size_t>(lines / limits.share, 1,
                                              std::min(limits.max_held_out, chosen.size() - 1));
    chosen.erase(std::next(chosen.begin(), static_cast<std::ptrdiff_t>(keep)), chosen.end());
    Output to_train(train);
    Output to_hold(held_out);
    Split split;
    TRY(visit_lines(file, [&](const std::string& line) {
        const bool held = chosen.contains(core::sha256_hex(line));
        (held ? to_hold : to_train).write(line);
        ++(held ? split.held_out : split.trained);
    }));
    TRY(to_train.publish());
    TRY(to_hold.publish());
    return split;
}

}  // namespace sust::tune
