#pragma once

// While a command runs in an image, a root of kind "mount" keeps the image from being removed. The
// command replaces this process, so nobody is left to take the root away at the end: its name says
// which process it stands for, and the roots of dead ones are released by whoever collects.

#include "core/clock.h"
#include "core/process.h"
#include "env/environment.h"
#include "store/store.h"

namespace sust::env {

// For this process, which is about to become the command. Nothing to do for a plain image file.
Result<void> hold_image(const Plan& plan, store::Store& store, const core::Clock& clock);

// Releases the roots whose process has ended; returns how many. Call before refusing a removal and
// before collecting garbage.
Result<int> release_stale_mounts(store::Store& store);

// "PID-STARTTICKS-BOOTID", and back.
std::string root_id(const core::ProcessId& process);
std::optional<core::ProcessId> process_of_root(std::string_view id);

}  // namespace sust::env
