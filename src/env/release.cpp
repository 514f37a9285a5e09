#include "env/release.h"

#include <chrono>
#include <sstream>

#include "core/text.h"

namespace sust::env {

using core::Deadline;
using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto k_fetch = 5min;
constexpr std::size_t k_max_release_bytes = 4 << 20;
constexpr std::size_t k_max_index_bytes = std::size_t{512} << 20;  // all of Debian is 60 MB
constexpr std::size_t k_named = 8;  // of what is gone; the rest is counted

// "E:" lines carry apt's reason; the words before them are progress.
std::string reason(const core::Output& output) {
    std::string found;
    for (const auto& line : core::split(output.out + "\n" + output.err, '\n')) {
        if (line.starts_with("E:") || line.starts_with("Err:")) {
            found += (found.empty() ? "" : "; ") + core::printable(core::trim(line), 200);
        }
    }
    return found.empty() ? core::printable(core::trim(output.err), 200) : found;
}

std::string describe_gone(const std::vector<Package>& gone, const std::vector<Package>& offered) {
    std::string text;
    for (std::size_t i = 0; i < gone.size() && i < k_named; ++i) {
        text += (i == 0 ? "" : ", ") + gone[i].name + " " + gone[i].version;
        for (const auto& there : offered) {
            if (there.name == gone[i].name) {
                text += " (there is " + there.version + ")";
                break;
            }
        }
    }
    if (gone.size() > k_named) {
        text += " and " + std::to_string(gone.size() - k_named) + " more";
    }
    return text;
}

}  // namespace

Result<std::int64_t> date_of_release(std::string_view release) {
    for (const auto& line : core::split(release, '\n')) {
        if (!line.starts_with("Date:")) {
            continue;
        }
        std::istringstream words(line.substr(5));
        std::string weekday;
        std::string month;
        int day = 0;
        int year = 0;
        char colon = 0;
        int hour = 0;
        int minute = 0;
        int second = 0;
        words >> weekday >> day >> month >> year >> hour >> colon >> minute >> colon >> second;
        constexpr std::string_view k_months = "JanFebMarAprMayJunJulAugSepOctNovDec";
        auto at = k_months.find(month);
        auto date =
            std::chrono::year(year) / static_cast<int>(month.size() == 3 ? at / 3 + 1 : 0) / day;
        if (!words || at == std::string_view::npos || !date.ok()) {
            break;
        }
        auto time = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                    std::chrono::minutes(minute) + std::chrono::seconds(second);
        return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    }
    return fail(Fault::invalid, "the mirror's Release file has no date that we can read");
}

Result<Path> MirrorReader::fetch(const std::string& path, const std::string& as) const {
    auto url = mirror_ + (mirror_.ends_with('/') ? "" : "/") + path;
    auto file = folder_ / as;
    auto output = TRY(
        core::run({.argv = {"/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=1", "-o",
                            "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20", "-o",
                            "APT::Sandbox::User=root", "download-file", url, file.string()},
                   .environment = environment_,
                   .die_with_parent = true},
                  Deadline(clock_, k_fetch)));
    if (output.status != 0) {
        return fail(Fault::unavailable,
                    "the mirror " + mirror_ + " did not give " + path + ": " + reason(output),
                    {.hint = "is the mirror right and the network up? Another one: "
                             "--config image.mirror=URL, or mirror = \"URL\" in the build file"});
    }
    return file;
}

Result<std::int64_t> MirrorReader::suite_date(const std::string& suite) const {
    auto file = TRY(fetch("dists/" + suite + "/InRelease", "InRelease"));
    return date_of_release(TRY(core::read_file(file, k_max_release_bytes)));
}

Result<void> MirrorReader::require_packages(const BuildFile& file, const Lock& lock) const {
    auto gone = lock.packages;
    std::vector<Package> offered;
    for (const auto& component : file.components) {
        auto packed = TRY(fetch("dists/" + file.suite + "/" + component + "/binary-" +
                                    lock.architecture + "/Packages.xz",
                                component + ".Packages.xz"));
        auto index = TRY(core::run({.argv = {"xz", "-dc", packed.string()},
                                    .environment = environment_,
                                    .die_with_parent = true},
                                   Deadline(clock_, k_fetch), k_max_index_bytes));
        if (index.status != 0) {
            return fail(Fault::unavailable, "the mirror's package index is damaged",
                        {.where = mirror_});
        }
        strike_found(index.out, gone, offered);
    }
    if (gone.empty()) {
        return {};
    }
    return fail(
        Fault::not_found,
        std::to_string(gone.size()) + " of the lock's " + std::to_string(lock.packages.size()) +
            " packages are gone from " + mirror_ + ": " + describe_gone(gone, offered),
        {.hint = "name a mirror that keeps them (a snapshot): --config image.mirror=URL; or build "
                 "without --locked"});
}

}  // namespace sust::env
