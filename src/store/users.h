#pragma once

#include <string>
#include <vector>

#include "store/store.h"

namespace sust::store {

// Who would miss the artifact, for people: roots that hold it or an adapter of it, and adapters of
// it that have a name.
Result<std::vector<std::string>> users_of(const Store& store, const Digest& digest);

}  // namespace sust::store
