#pragma once

// For the tests of wire.h: bytes as a connection brings them.

#include <string>
#include <string_view>
#include <vector>

#include "serve/wire.h"

namespace sust::serve {

inline constexpr std::size_t k_max_body = 100;
using Pieces = std::vector<std::string_view>;

// Feeds as a connection does: what was not used comes again with the next piece behind it.
// What is left over at the end is the answer.
template <class Reader, class Done>
core::Result<std::string> receive(Reader& reader, const Pieces& pieces, Done done) {
    std::string held;
    for (const auto piece : pieces) {
        held += piece;
        std::size_t used = 1;
        while (used > 0 && !held.empty() && !done()) {
            used = TRY(reader.feed(held));
            held.erase(0, used);
        }
    }
    return held;
}

inline core::Result<std::string> receive(RequestReader& reader, const Pieces& pieces) {
    return receive(reader, pieces, [&] { return reader.state() == RequestReader::State::done; });
}
inline core::Result<std::string> receive(ResponseReader& reader, const Pieces& pieces) {
    return receive(reader, pieces, [&] { return reader.done(); });
}

// Whole, byte by byte, and in two pieces cut at every byte.
inline std::vector<Pieces> ways_to_come(std::string_view bytes) {
    std::vector<Pieces> ways = {{bytes}, {}};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        ways[1].push_back(bytes.substr(i, 1));
    }
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        ways.push_back({bytes.substr(0, cut), bytes.substr(cut)});
    }
    return ways;
}

inline Pieces in_pieces_of(std::size_t size, std::string_view bytes) {
    Pieces pieces;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
        pieces.push_back(bytes.substr(at, size));
    }
    return pieces;
}

inline std::string sizes(const Pieces& pieces) {
    std::string out = "in pieces of";
    for (std::size_t i = 0; i < pieces.size() && i < 4; ++i) {
        out += ' ' + std::to_string(pieces[i].size());
    }
    return out;
}

}  // namespace sust::serve
