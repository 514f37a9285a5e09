#pragma once

// Where things are. Computed once in main from the environment; a value from there on.

#include "core/file.h"
#include "core/process.h"
#include "core/result.h"

namespace sust::core {

struct Places {
    Path config;  // settings, environments
    Path data;    // sust.db, store/, jobs/, runs/, ledger/
    Path state;   // logs
    Path cache;   // what can be made again
    Path run;     // sockets, pid files (0700)
    Path share;   // what ships with the programs: recipes/, engines/, shapes/, ...
    Path bin;     // sust, sustd, sust-gateway, sust-agent

    Path api_socket() const { return run / "api.sock"; }
    Path store() const { return data / "store"; }
    Path jobs() const { return data / "jobs"; }
    Path runs() const { return data / "runs"; }
    Path ledger() const { return data / "ledger"; }
};

// `root` puts all of them under one directory (--root); otherwise root's places are those of the
// file hierarchy standard and a user's those of XDG. `executable` is /proc/self/exe, resolved.
Result<Places> find_places(const Environment& environment, const Path& executable, uid_t uid,
                           const Path& root);

// A Unix socket path has 108 bytes in the kernel. One over 100 bytes falls back to
// /tmp/sust-UID/<hash>.sock, in a directory that is ours alone (0700, owner checked).
Result<Path> socket_path(const Path& wanted, uid_t uid);

}  // namespace sust::core
