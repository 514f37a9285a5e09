#include "tune/progress.h"

#include <algorithm>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"

namespace sust::tune {

using core::Result;
using nlohmann::json;

namespace {

// A line is about 120 bytes, so the tail holds more than a hundred of them.
constexpr off_t k_tail_bytes = 16 << 10;

std::optional<Progress> parse_line(std::string_view line) {
    const auto value = json::parse(line, nullptr, false);
    if (!value.is_object()) {
        return {};
    }
    const auto number = [&](const char* key) -> std::optional<double> {
        const auto found = value.find(key);
        return found != value.end() && found->is_number() ? std::optional(found->get<double>())
                                                          : std::nullopt;
    };
    const auto stage = value.find("stage");
    const auto step = number("step");
    if (stage == value.end() || !stage->is_string() || !step || *step < 0 || *step > 1e15) {
        return {};
    }
    return Progress{
        .stage = stage->get<std::string>(),
        .step = static_cast<std::int64_t>(*step),
        .steps = static_cast<std::int64_t>(std::clamp(number("steps").value_or(0), 0.0, 1e15)),
        .loss = number("loss"),
        .tokens_per_second = number("tokens_per_second"),
        .eta_seconds = number("eta_seconds")};
}

Result<std::string> read_tail(int fd, off_t size) {
    const off_t from = std::max<off_t>(0, size - k_tail_bytes);
    std::string tail(static_cast<std::size_t>(size - from), '\0');
    std::size_t have = 0;
    while (have < tail.size()) {
        const auto count =
            ::pread(fd, tail.data() + have, tail.size() - have, from + static_cast<off_t>(have));
        if (count < 0) {
            return core::fail_errno("read progress", errno);
        }
        if (count == 0) {
            break;
        }
        have += static_cast<std::size_t>(count);
    }
    tail.resize(have);
    return tail;
}

}  // namespace

void to_json(json& out, const Progress& progress) {
    const auto or_null = [](const std::optional<double>& value) {
        return value ? json(*value) : json(nullptr);
    };
    out = {{"stage", progress.stage},
           {"step", progress.step},
           {"steps", progress.steps},
           {"loss", or_null(progress.loss)},
           {"tokens_per_second", or_null(progress.tokens_per_second)},
           {"eta_seconds", or_null(progress.eta_seconds)}};
}

Result<std::optional<Progress>> read_progress(const core::Path& file) {
    const core::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) {
        if (errno == ENOENT) {
            return std::optional<Progress>();
        }
        return core::fail_errno("open " + file.string(), errno);
    }
    struct stat facts {};
    if (::fstat(fd.get(), &facts) != 0) {
        return core::fail_errno("stat " + file.string(), errno);
    }
    std::string tail = TRY(read_tail(fd.get(), facts.st_size));
    // From the end: what follows the last newline is still being written.
    std::string_view rest(tail);
    rest = rest.substr(0, rest.rfind('\n') == std::string_view::npos ? 0 : rest.rfind('\n'));
    while (!rest.empty()) {
        const auto begin = rest.rfind('\n');
        const auto line = begin == std::string_view::npos ? rest : rest.substr(begin + 1);
        if (auto progress = parse_line(line)) {
            return progress;
        }
        rest = rest.substr(0, begin == std::string_view::npos ? 0 : begin);
    }
    return std::optional<Progress>();
}

Result<void> append_progress(const core::Path& file, const Progress& progress) {
    return core::append_file(file, json(progress).dump() + "\n");
}

}  // namespace sust::tune
