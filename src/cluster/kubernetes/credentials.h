#pragma once

// How to prove who asks, as it changes: tokens in files are read again, a plugin's credential is
// kept until it expires or was refused. From any thread.

#include <mutex>

#include "cluster/kubernetes/kubeconfig.h"
#include "core/clock.h"

namespace sust::cluster::kubernetes {

struct Proof {
    core::Secret token{};
    std::string certificate{};  // PEM; empty: that of the kubeconfig, if it has one
    core::Secret key{};
    core::WallTime expires = core::WallTime::max();
};

// What a plugin printed. invalid says what is wrong with it, without the secret.
Result<Proof> parse_exec_credential(std::string_view text, std::string_view version);

class Credentials {
  public:
    // `environment`: of this process, which a plugin gets.
    Credentials(Access access, core::Environment environment, const core::Clock& clock)
        : access_(std::move(access)), environment_(std::move(environment)), clock_(clock) {}

    const Access& access() const { return access_; }
    // Runs the plugin if its credential is gone; that takes as long as the plugin, 30 s at most.
    Result<Proof> proof();
    // The server did not take it: the next one is made anew.
    void reject();

  private:
    Result<Proof> ask_plugin();

    Access access_;
    core::Environment environment_;
    const core::Clock& clock_;
    std::mutex mutex_;
    std::optional<Proof> kept_;  // the plugin's
};

}  // namespace sust::cluster::kubernetes
