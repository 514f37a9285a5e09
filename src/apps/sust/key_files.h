#pragma once

// The 0600 files in which `sust key create` leaves keys for `sust chat` and for people.

#include <string>
#include <vector>

#include "apps/sust/context.h"

namespace sust::cli {

// Before the key exists, so that a place that cannot be written costs no key.
Result<void> make_key_folder(const Context& context);
core::Path key_file(const Context& context, const std::string& name);
// By name; none is fine.
std::vector<core::Path> key_files(const Context& context);
Result<std::string> read_key(const core::Path& file);
// Removes the file of `name` if the key in it is this one: a name may have been given again.
Result<bool> remove_key_file(const Context& context, const std::string& name,
                             const std::string& id);

}  // namespace sust::cli
