#pragma once

// How a log is printed: as it is; with --json as one object {"text"}, or while it is followed as
// one object per line.

#include <string>
#include <string_view>

#include "apps/sust/context.h"

namespace sust::cli {

enum class Follow { no, yes };

class LogText {
  public:
    LogText(const Context& context, Follow follow);

    // False: nobody reads the output any more.
    bool add(std::string_view piece);
    // What --json holds back until it is whole.
    void finish();

  private:
    bool as_object_;
    bool as_lines_;
    std::string held_;
    std::size_t dropped_ = 0;
};

}  // namespace sust::cli
