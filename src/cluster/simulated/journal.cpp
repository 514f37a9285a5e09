#include "cluster/simulated/journal.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::cluster::simulated {

using core::fail;
using core::Fault;
using nlohmann::json;

namespace {

constexpr int k_format = 1;

core::Result<void> check_head(std::string_view line, const core::Path& path, JournalHead& head) {
    const auto document = json::parse(line, nullptr, false);
    if (!document.is_object() || document.value("format", 0) != k_format) {
        return fail(Fault::conflict, "is no journal of a site that this program reads",
                    {.where = path.string(), .hint = "--fresh begins a new one"});
    }
    if (document.value("site", "") != head.model) {
        return fail(
            Fault::conflict, "is the journal of another SITE.toml",
            {.where = path.string(), .hint = "--fresh begins a new one; its jobs are forgotten"});
    }
    head.origin = TRY(core::parse_rfc3339(document.value("origin", "")));
    return {};
}

core::Result<Call> call_of(std::string_view line) {
    auto document = json::parse(line, nullptr, false);
    if (!document.is_object() || !document.contains("at") || !document["at"].is_number_integer() ||
        !document.contains("words")) {
        return fail(Fault::invalid, "is no call");
    }
    return Call{.at = core::Duration(document["at"].get<std::int64_t>()),
                .what = document.value("do", ""),
                .words = document["words"].dump()};
}

// Piece by piece: the file may be larger than what is good to hold. The length of what is whole.
core::Result<std::uint64_t> read_lines(
    int fd, const core::Path& path, JournalHead& head,
    const std::function<core::Result<void>(const Call&)>& replay) {
    std::string text;
    std::string piece(256 << 10, '\0');
    std::uint64_t whole = 0;
    std::size_t count = 0;
    while (true) {
        const auto got = ::read(fd, piece.data(), piece.size());
        if (got < 0) {
            return core::fail_errno("read " + path.string(), errno);
        }
        if (got == 0) {
            return whole;
        }
        text.append(piece, 0, static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
            const auto line = std::string_view(text).substr(begin, end - begin);
            const auto place = fmt::format("{}:{}", path.string(), ++count);
            if (count == 1) {
                TRY(check_head(line, path, head));
            } else {
                TRY(core::within(place, replay(TRY(core::within(place, call_of(line))))));
            }
            whole += line.size() + 1;
            begin = end + 1;
        }
        text.erase(0, begin);
        if (text.size() > 2 * k_call_bytes_max) {
            return fail(Fault::invalid, "has a line that is too long", {.where = path.string()});
        }
    }
}

}  // namespace

core::Result<Journal> Journal::open(const core::Path& path, JournalHead& head,
                                    const std::function<core::Result<void>(const Call&)>& replay) {
    core::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) {
        return core::fail_errno("open " + path.string(), errno);
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(Fault::conflict, "another process simulates this site",
                    {.where = path.string(), .hint = "stop it, or say another --socket"});
    }
    const auto whole = TRY(read_lines(fd.get(), path, head, replay));
    if (::ftruncate(fd.get(), static_cast<off_t>(whole)) != 0 ||
        ::lseek(fd.get(), static_cast<off_t>(whole), SEEK_SET) < 0) {
        return core::fail_errno("cut " + path.string(), errno);
    }
    Journal journal(std::move(fd), whole);
    if (whole == 0) {
        const auto line =
            json{{"format", k_format}, {"site", head.model}, {"origin", core::rfc3339(head.origin)}}
                .dump() +
            "\n";
        TRY(core::write_all(journal.fd_.get(), line));
        journal.size_ = line.size();
    }
    return journal;
}

core::Result<void> Journal::add(const Call& call) {
    const auto line = fmt::format("{{\"at\":{},\"do\":\"{}\",\"words\":{}}}\n", call.at.count(),
                                  call.what, call.words.empty() ? "null" : call.words);
    if (size_ + line.size() > k_journal_bytes_max) {
        return fail(Fault::exhausted, "the journal of the site is full",
                    {.hint = "start it anew with --fresh"});
    }
    TRY(core::write_all(fd_.get(), line));
    size_ += line.size();
    return {};
}

}  // namespace sust::cluster::simulated
