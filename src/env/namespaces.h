#pragma once

// The process's own namespaces, and its way into a new root.

#include "core/result.h"

namespace sust::env {

enum class Namespaces { mount, user_and_mount };

// A mount namespace from which nothing reaches the host; a user namespace with it if mounting needs
// one (there the process keeps its user and group). One thread only.
core::Result<Namespaces> enter_namespaces();

// Makes the mounted directory `root` the root directory and forgets the old one.
core::Result<void> change_root(int root);

}  // namespace sust::env
