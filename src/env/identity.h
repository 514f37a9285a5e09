#pragma once

// The files of /etc that say who and where a process is, made from the host's and the image's.

#include <string>
#include <string_view>

#include <sys/types.h>

namespace sust::env {

// `image` (the text of its passwd or group file) with a line for `id`: the image's own line if it
// has one, else the host's, else a made-up one. So the id has a name inside.
std::string passwd_with(std::string_view image, std::string_view host, uid_t uid, gid_t gid);
std::string group_with(std::string_view image, std::string_view host, gid_t gid);
// An empty hosts file would make "localhost" a question to a name server.
std::string hosts_with_localhost(std::string_view host);

}  // namespace sust::env
