#pragma once

#include <memory>

#include "store/artifacts.h"
#include "store/blobs.h"
#include "store/layout.h"
#include "store/names.h"
#include "store/roots.h"
#include "store/store.h"

namespace sust::store {

// The parts behind Store; each method of the facade takes the lock where it must and calls them.
struct Store::Impl {
    explicit Impl(std::shared_ptr<const Layout> opened)
        : layout(std::move(opened)),
          blobs(layout),
          artifacts(blobs),
          names(layout, blobs),
          roots(layout) {}

    std::shared_ptr<const Layout> layout;
    Blobs blobs;
    Artifacts artifacts;
    Names names;
    Roots roots;
};

}  // namespace sust::store
