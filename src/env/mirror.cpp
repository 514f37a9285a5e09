#include "env/mirror.h"

#include <map>
#include <sstream>
#include <vector>

#include "core/text.h"

namespace sust::env {

using core::Fault;
using core::Path;
using core::Result;

namespace {

constexpr std::size_t k_max_bytes = 1 << 20;

std::vector<std::string> words(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> found;
    for (std::string word; in >> word;) {
        found.push_back(word);
    }
    return found;
}

// The release itself, not its updates or security suites: those mirrors lack other suites.
bool names_release(const std::vector<std::string>& suites, std::string_view codename) {
    for (const auto& suite : suites) {
        if (suite == codename || suite == "stable" || suite == "testing" || suite == "unstable" ||
            suite == "sid") {
            return true;
        }
    }
    return false;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
    for (const auto& each : words) {
        if (each == word) {
            return true;
        }
    }
    return false;
}

std::string lower(std::string text) {
    for (auto& letter : text) {
        if (letter >= 'A' && letter <= 'Z') {
            letter = static_cast<char>(letter - 'A' + 'a');
        }
    }
    return text;
}

using Stanza = std::map<std::string, std::string>;

std::vector<Stanza> stanzas(std::string_view text) {
    std::vector<Stanza> found(1);
    std::string key;
    for (const auto& line : core::split(text, '\n')) {
        if (line.starts_with('#')) {
            continue;
        }
        if (core::trim(line).empty()) {
            found.emplace_back();
            key.clear();
        } else if (line.front() == ' ' || line.front() == '\t') {
            found.back()[key] += " " + std::string(core::trim(line));
        } else if (auto colon = line.find(':'); colon != std::string::npos) {
            key = lower(line.substr(0, colon));
            found.back()[key] = std::string(core::trim(std::string_view(line).substr(colon + 1)));
        }
    }
    return found;
}

std::optional<std::string> read_codename(const Path& etc) {
    auto text = core::read_file(etc / "os-release", k_max_bytes);
    for (const auto& line : core::split(text.value_or(""), '\n')) {
        if (line.starts_with("VERSION_CODENAME=")) {
            auto name = line.substr(line.find('=') + 1);
            return name.starts_with('"') ? name.substr(1, name.size() - 2) : name;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> mirror_of_deb822(std::string_view text, std::string_view codename) {
    for (auto& stanza : stanzas(text)) {
        auto uris = words(stanza["uris"]);
        if (!uris.empty() && lower(stanza["enabled"]) != "no" &&
            contains(words(stanza["types"]), "deb") &&
            names_release(words(stanza["suites"]), codename)) {
            return uris.front();
        }
    }
    return std::nullopt;
}

std::optional<std::string> mirror_of_list(std::string_view text, std::string_view codename) {
    for (const auto& line : core::split(text, '\n')) {
        auto entry = std::string(core::trim(line));
        if (auto open = entry.find('['), close = entry.find(']');
            open != std::string::npos && close != std::string::npos && open < close) {
            entry.erase(open, close - open + 1);
        }
        auto parts = words(entry);
        if (parts.size() >= 3 && parts[0] == "deb" && names_release({parts[2]}, codename)) {
            return parts[1];
        }
    }
    return std::nullopt;
}

Result<Mirror> host_mirror(const Path& etc) {
    auto codename = read_codename(etc).value_or("stable");
    const auto apt = etc / "apt";
    for (const auto& file : {apt / "sources.list.d" / "debian.sources", apt / "sources.list"}) {
        auto text = TRY(core::read_file_if_any(file, k_max_bytes)).value_or("");
        auto url = file.extension() == ".sources" ? mirror_of_deb822(text, codename)
                                                  : mirror_of_list(text, codename);
        if (url) {
            return Mirror{.url = *url, .source = file.string()};
        }
    }
    return core::fail(Fault::not_found,
                      "no Debian mirror: neither sources.list.d/debian.sources nor sources.list "
                      "names one",
                      {.where = apt.string(),
                       .hint = "name one in the build file (mirror = \"URL\") or with --config "
                               "image.mirror=URL"});
}

}  // namespace sust::env
