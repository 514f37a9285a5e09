#include "control/usage.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace sust::control {

using core::fail_errno;
using core::Result;
using nlohmann::json;

namespace {

// The unit of reading, and longer than any line of the ledger.
constexpr std::size_t k_piece_bytes = 256 << 10;

std::int64_t count_of(const json& line, const char* key) {
    const auto found = line.find(key);
    return found != line.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// A line that is not one of the ledger's counts for nobody.
void add_line(std::string_view text, std::map<std::string, KeyUsage>& sums) {
    const auto line = json::parse(text, nullptr, false);
    if (!line.is_object() || !line.contains("key") || !line["key"].is_string()) {
        return;
    }
    auto& usage = sums[line["key"].get<std::string>()];
    ++usage.requests;
    usage.prompt_tokens += std::max<std::int64_t>(0, count_of(line, "prompt_tokens"));
    usage.completion_tokens += std::max<std::int64_t>(0, count_of(line, "completion_tokens"));
    if (line.contains("ts") && line["ts"].is_string()) {
        usage.last = std::max(usage.last, line["ts"].get<std::string>());
    }
}

Result<std::string> read_at(const core::Path& file, std::int64_t offset, std::size_t bytes) {
    const core::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    std::string piece(bytes, '\0');
    const auto count = fd ? ::pread(fd.get(), piece.data(), piece.size(), offset) : -1;
    if (count < 0) {
        return fail_errno("read " + file.native(), errno);
    }
    piece.resize(static_cast<std::size_t>(count));
    return piece;
}

std::vector<std::string> ledger_files(const core::Path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (entry.path().extension() == ".jsonl") {
            names.push_back(entry.path().filename().native());
        }
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

void to_json(json& object, const KeyUsage& usage) {
    object = {{"requests", usage.requests},
              {"prompt_tokens", usage.prompt_tokens},
              {"completion_tokens", usage.completion_tokens},
              {"last", usage.last.empty() ? json() : json(usage.last)}};
}

Result<bool> Usage::refresh(std::size_t max_bytes) {
    for (const auto& name : ledger_files(ledger_)) {
        while (true) {
            const auto count = TRY(read_more(name));
            if (count == 0) {
                break;
            }
            max_bytes -= std::min(count, max_bytes);
            if (max_bytes == 0) {
                return true;
            }
        }
    }
    return false;
}

// Whole lines only: the last one may still be being written.
Result<std::size_t> Usage::read_more(const std::string& name) {
    const auto rows = TRY(database_->query("SELECT read FROM ledger_files WHERE name = ?", {name}));
    const auto offset = rows.empty() ? 0 : rows[0].integer(0);
    std::error_code error;
    const auto size = std::filesystem::file_size(ledger_ / name, error);
    if (error || static_cast<std::int64_t>(size) <= offset) {
        return std::size_t{0};
    }
    const auto piece = TRY(read_at(ledger_ / name, offset, k_piece_bytes));
    auto whole = piece.rfind('\n') + 1;  // npos + 1 is 0
    if (whole == 0 && piece.size() == k_piece_bytes) {
        whole = piece.size();  // no line of ours is that long: passed over
    }
    if (whole == 0) {
        return std::size_t{0};
    }
    std::map<std::string, KeyUsage> sums;
    for (std::size_t begin = 0; begin < whole;) {
        const auto end = std::min(piece.find('\n', begin), whole);
        add_line(std::string_view(piece).substr(begin, end - begin), sums);
        begin = end + 1;
    }
    auto transaction = TRY(database_->begin());
    for (const auto& [key, usage] : sums) {
        TRY(database_->execute(
            "INSERT INTO usage(key, requests, prompt_tokens, completion_tokens, last) "
            "VALUES(?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET "
            "requests = requests + excluded.requests, "
            "prompt_tokens = prompt_tokens + excluded.prompt_tokens, "
            "completion_tokens = completion_tokens + excluded.completion_tokens, "
            "last = max(last, excluded.last)",
            {key, usage.requests, usage.prompt_tokens, usage.completion_tokens, usage.last}));
    }
    TRY(
        database_->execute("INSERT INTO ledger_files(name, read) VALUES(?, ?) "
                           "ON CONFLICT(name) DO UPDATE SET read = excluded.read",
                           {name, offset + static_cast<std::int64_t>(whole)}));
    TRY(transaction.commit());
    return whole;
}

Result<std::map<std::string, KeyUsage>> Usage::by_key() {
    std::map<std::string, KeyUsage> all;
    for (const auto& row : TRY(database_->query(
             "SELECT key, requests, prompt_tokens, completion_tokens, last FROM usage"))) {
        all[row.text(0)] = {.requests = row.integer(1),
                            .prompt_tokens = row.integer(2),
                            .completion_tokens = row.integer(3),
                            .last = row.text(4)};
    }
    return all;
}

}  // namespace sust::control
