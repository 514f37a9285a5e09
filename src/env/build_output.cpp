#include "env/build_output.h"

#include <algorithm>
#include <array>

#include <poll.h>
#include <unistd.h>

#include "core/text.h"

namespace sust::env {

using core::Error;
using core::fail;
using core::Fault;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto k_tick = 200ms;            // how soon a cancelled build stops
constexpr std::size_t k_kept_lines = 40;  // of what the programs say
constexpr std::size_t k_max_line = 400;

// mmdebstrap's steps, and what people are told.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> k_phases{{
    {"I: running apt-get update", "reading the package lists"},
    {"I: downloading packages", "downloading packages"},
    {"I: extracting archives", "extracting packages"},
    {"I: installing essential", "installing the base system"},
    {"I: installing remaining", "installing packages"},
    {"I: creating tarball", "packing the image"},
    {"I: removing tempdir", "cleaning up"},
}};

bool mentions(const std::string& line, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const char* word) { return line.find(word) != std::string::npos; });
}

// The lines in which apt and mmdebstrap complain, at most six, or the last six of any kind.
std::string quote(const std::vector<std::string>& lines) {
    std::vector<std::string> chosen;
    for (const auto& line : lines) {
        if (line.starts_with("E:") || line.starts_with("Err:") || line.starts_with("FATAL")) {
            chosen.push_back(line);
        }
    }
    if (chosen.empty()) {
        chosen = lines;
    }
    if (chosen.size() > 6) {
        chosen.erase(chosen.begin(), chosen.end() - 6);
    }
    return core::join(chosen, "\n  ");
}

}  // namespace

Result<void> BuildListener::listen(int fd, const core::Deadline& deadline) {
    std::string rest;
    for (;;) {
        pollfd wanted{fd, POLLIN, 0};
        auto ready = ::poll(&wanted, 1, static_cast<int>(k_tick.count()));
        if (cancelled_ && cancelled_()) {
            return fail(Fault::unavailable, "the build was stopped");
        }
        if (deadline.passed()) {
            return fail(Fault::timeout, "the build did not end before its deadline");
        }
        report();
        std::array<char, 4096> piece{};
        auto got = ready > 0 ? ::read(fd, piece.data(), piece.size()) : 1;
        if (ready > 0 && got <= 0) {
            return {};
        }
        if (ready > 0) {
            rest.append(piece.data(), static_cast<std::size_t>(got));
            take_lines(rest);
        }
    }
}

void BuildListener::take_lines(std::string& rest) {
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
        take_line(std::string_view(rest).substr(0, end));
        rest.erase(0, end + 1);
    }
    if (rest.size() > k_max_line) {
        take_line(rest);
        rest.clear();
    }
}

void BuildListener::take_line(std::string_view line) {
    line = core::trim(line);
    for (const auto& [said, phase] : k_phases) {
        if (line.starts_with(said)) {
            phase_ = phase;
            last_report_.reset();
            report();
        }
    }
    if (!line.empty() && !line.starts_with("I: ")) {
        lines_.push_back(core::printable(line, k_max_line));
        if (lines_.size() > k_kept_lines) {
            lines_.pop_front();
        }
    }
}

void BuildListener::report() {
    auto now = clock_.monotonic();
    if (!progress_ || (last_report_ && now - *last_report_ < 1s)) {
        return;
    }
    last_report_ = now;
    progress_({.phase = phase_, .seconds = std::chrono::duration<double>(now - began_).count()});
}

Error explain_failure(const std::vector<std::string>& lines, const BuildFile& file,
                      const std::string& mirror) {
    Error error{
        .fault = Fault::internal,
        .message = "building '" + file.name + "' from " + mirror + " failed:\n  " + quote(lines),
        .hint = "the lines above are mmdebstrap's"};
    for (const auto& line : lines) {
        if (mentions(line, {"Unable to locate package", "has no installation candidate",
                            "Couldn't find any package", "unmet dependencies"})) {
            error.fault = Fault::invalid;
            error.hint = "change packages or suite in the build file: the suite '" + file.suite +
                         "' does not have what it names";
            return error;
        }
        if (mentions(line, {"No space left on device"})) {
            error.fault = Fault::exhausted;
            error.hint = "free some disk space and build again";
            return error;
        }
        if (mentions(line, {"is expired", "Release file expired", "is not valid yet"})) {
            error.fault = Fault::invalid;
            error.hint = "the mirror is an older copy: check_valid_until = false in the build file";
        } else if (mentions(line, {"NO_PUBKEY", "is not signed", "signatures couldn't"})) {
            error.fault = Fault::denied;
            error.hint = "install a newer debian-archive-keyring";
        } else if (error.fault == Fault::internal &&
                   mentions(line, {"Could not resolve", "Could not connect", "Failed to fetch",
                                   "Connection failed", "Unable to connect", "Temporary failure",
                                   "does not have a Release file", "Connection timed out"})) {
            error.fault = Fault::unavailable;
            error.hint =
                "is the mirror right and the network up? Another one: --config image.mirror=URL, "
                "or "
                "mirror = \"URL\" in the build file";
        }
    }
    return error;
}

}  // namespace sust::env
