#include "cluster/slurm/pass.h"

#include <array>

#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "core/text.h"

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_bytes_max = 16 << 10;
constexpr std::string_view k_prefix = "SLURM_JWT=";

int sextet(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

// RFC 4648, 5, without padding; stops at what is none.
std::string base64url(std::string_view text) {
    std::string bytes;
    unsigned bits = 0;
    int count = 0;
    for (const char c : text) {
        const int value = sextet(c);
        if (value < 0) {
            break;
        }
        bits = bits << 6 | static_cast<unsigned>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>(bits >> count & 0xFF);
        }
    }
    return bytes;
}

}  // namespace

Result<Pass> parse_token(std::string_view text) {
    auto trimmed = core::trim(text);
    if (trimmed.starts_with(k_prefix)) {
        trimmed.remove_prefix(k_prefix.size());
    }
    const auto dot = trimmed.find('.');
    const auto end = dot == std::string_view::npos ? dot : trimmed.find('.', dot + 1);
    const bool plain = trimmed.find_first_not_of(
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                           "wxyz0123456789-_.=") == std::string_view::npos;
    if (end == std::string_view::npos || !plain) {
        return fail(Fault::invalid, "this is no token of Slurm",
                    {.hint = "scontrol token lifespan=SECONDS prints one"});
    }
    Pass pass{.text = core::Secret(std::string(trimmed))};
    // Only to say which and until when: whether it is good, Slurm decides.
    const auto claims =
        nlohmann::json::parse(base64url(trimmed.substr(dot + 1, end - dot - 1)), nullptr, false);
    if (claims.is_object()) {
        if (const auto sun = claims.find("sun"); sun != claims.end() && sun->is_string()) {
            pass.user = core::printable(sun->get<std::string>(), 64);
        }
        if (const auto exp = claims.find("exp"); exp != claims.end() && exp->is_number_unsigned()) {
            constexpr std::uint64_t k_far = 32'503'680'000;  // the year 3000
            pass.expires = core::WallTime(
                std::chrono::seconds(std::min<std::uint64_t>(exp->get<std::uint64_t>(), k_far)));
        }
    }
    return pass;
}

Result<Pass> read_token(const Path& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
        return core::fail_errno("look at the token " + file.string(), errno);
    }
    if ((info.st_mode & 077) != 0) {
        return fail(Fault::denied, "others may read this token",
                    {.where = file.string(), .hint = "chmod 600 " + file.string()});
    }
    return core::within(file.string(), parse_token(TRY(core::read_file(file, k_bytes_max))));
}

}  // namespace sust::cluster::slurm
