#pragma once

// How the words of a job become JSON and are believed again; for the sources that have words alone.

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/plain_file.h"
#include "core/text.h"

namespace sust::cluster {

inline constexpr int k_word_format = 1;

// Paths and texts may hold any bytes; a word that cannot be written would be worse than one with a
// replacement character.
inline std::string dump_word(const nlohmann::json& document) {
    return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// Within `parse` below.
inline core::WallTime time_at(const nlohmann::json& document, const char* key) {
    auto time = core::parse_rfc3339(document.at(key).get<std::string>());
    if (!time) {
        throw std::invalid_argument(std::string(key) + ": " + time.error().message);
    }
    return *time;
}

// Lets `parse` make a value of a document; what the library throws ends here. invalid: it cannot be
// believed.
template <class Parse>
auto parse_word(std::string_view bytes, const std::string& where, Parse parse)
    -> core::Result<decltype(parse(nlohmann::json()))> {
    try {
        const auto document = nlohmann::json::parse(bytes);
        if (document.at("format").get<int>() != k_word_format) {
            return core::fail(core::Fault::invalid,
                              fmt::format("format {} (this program reads {})",
                                          document.at("format").get<int>(), k_word_format),
                              {.where = where, .hint = "use the program that wrote it"});
        }
        return parse(document);
    } catch (const std::exception& trouble) {
        return core::fail(core::Fault::invalid,
                          "cannot be read: " + core::printable(trouble.what(), 200),
                          {.where = where});
    }
}

// As above; an absent file is a value. Other faults are trouble of the file system.
template <class Parse>
auto read_word(const core::Path& path, std::size_t max_bytes, Parse parse)
    -> core::Result<std::optional<decltype(parse(nlohmann::json()))>> {
    using Word = decltype(parse(nlohmann::json()));
    auto bytes = core::read_plain_file_if_any(path, max_bytes);
    if (!bytes) {
        return bytes.error().fault == core::Fault::too_large
                   ? core::fail(core::Fault::invalid, bytes.error().message,
                                {.where = path.string()})
                   : tl::unexpected(bytes.error());
    }
    if (!*bytes) {
        return std::optional<Word>();
    }
    return std::optional<Word>(TRY(parse_word(**bytes, path.string(), std::move(parse))));
}

}  // namespace sust::cluster
