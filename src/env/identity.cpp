#include "env/identity.h"

#include <optional>
#include <vector>

#include "core/text.h"

namespace sust::env {

namespace {

// A line of passwd or group with this number in its third field.
std::optional<std::vector<std::string>> line_of(std::string_view text, std::string_view number) {
    for (const auto& line : core::split(text, '\n')) {
        auto fields = core::split(line, ':');
        if (fields.size() >= 4 && fields[2] == number) {
            return fields;
        }
    }
    return std::nullopt;
}

// Appends `line`; a name that the image gives to another number would be answered with that one.
std::string append(std::string_view text, std::string line) {
    std::string out(text);
    if (!out.empty() && out.back() != '\n') {
        out += '\n';
    }
    return out + line + "\n";
}

std::string free_name(std::string_view text, std::string name) {
    while (("\n" + std::string(text)).find("\n" + name + ":") != std::string::npos) {
        name += "-host";
    }
    return name;
}

}  // namespace

std::string passwd_with(std::string_view image, std::string_view host, uid_t uid, gid_t gid) {
    auto number = std::to_string(uid);
    if (line_of(image, number)) {
        return std::string(image);
    }
    auto known = line_of(host, number);
    std::string name = known ? (*known)[0] : "user" + number;
    std::string home = known && known->size() > 5 ? (*known)[5] : "/";
    return append(image, free_name(image, name) + ":x:" + number + ":" + std::to_string(gid) +
                             "::" + home + ":/bin/sh");
}

std::string group_with(std::string_view image, std::string_view host, gid_t gid) {
    auto number = std::to_string(gid);
    if (line_of(image, number)) {
        return std::string(image);
    }
    auto known = line_of(host, number);
    auto name = known ? (*known)[0] : "group" + number;
    return append(image, free_name(image, name) + ":x:" + number + ":");
}

std::string hosts_with_localhost(std::string_view host) {
    if (host.find("localhost") != std::string_view::npos) {
        return std::string(host);
    }
    return append(host, "127.0.0.1 localhost\n::1 localhost");
}

}  // namespace sust::env
