#pragma once

// Where an API server is and how to prove who asks: a kubeconfig file, as kubectl reads it, or
// what Kubernetes gives every pod.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/process.h"
#include "core/secret.h"
#include "web/client.h"

namespace sust::cluster::kubernetes {

using core::Duration;
using core::Path;
using core::Result;

// A program that prints an ExecCredential (client.authentication.k8s.io).
struct ExecPlugin {
    std::string version;  // of that API: v1 or v1beta1
    std::string command;  // a name without / is looked up in PATH
    std::vector<std::string> arguments{};
    core::Environment environment{};  // added to ours
    std::string hint{};               // the file's, on how to install it
    Duration patience = std::chrono::seconds(30);
    Path folder{};  // of the file: a command with / is relative to it
};

// Whose rights are used instead of one's own.
struct Impersonation {
    std::string user{};
    std::vector<std::string> groups{};
    std::vector<std::pair<std::string, std::string>> extra{};
};

struct Access {
    std::string origin{};  // for messages: file and context
    web::Server server{};  // with a certificate of the file
    std::string space{};   // namespace
    core::Secret token{};
    Path token_file{};  // read again, because its token changes
    std::optional<ExecPlugin> plugin{};
    Impersonation impersonation{};
};

// A file's text as what it says of `context` (empty: its current one); certificates that are named
// by path are read, relative to the file. Everything wrong is named with file and line.
Result<Access> parse_kubeconfig(std::string_view text, const Path& file, std::string_view context);
Result<Access> read_kubeconfig(const Path& file, std::string_view context);
// Of the pod that we run in: address from `environment`, the rest from `folder`
// (/var/run/secrets/kubernetes.io/serviceaccount).
Result<Access> in_cluster(const core::Environment& environment, const Path& folder);

}  // namespace sust::cluster::kubernetes
