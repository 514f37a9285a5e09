#include "tune/weights.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Path;
using core::Result;
using nlohmann::json;

namespace {

constexpr std::uint64_t k_length_bytes = 8;
// {"name": {"shape": [...]}} is three deep.
constexpr int k_max_depth = 3;

constexpr std::size_t k_gguf_head_bytes = 24;
// The shortest entry of each table: an empty name, no dimension; an empty key, a value of a byte.
constexpr std::uint64_t k_gguf_tensor_bytes = 24;
constexpr std::uint64_t k_gguf_key_bytes = 13;
// Far beyond any model, and small enough that the sum of both tables cannot overflow.
constexpr std::uint64_t k_gguf_max_entries = 1ULL << 40;

struct Type {
    std::string_view name;
    std::uint64_t bits;
};
constexpr Type k_types[] = {
    {"F64", 64},    {"F32", 32},    {"F16", 16}, {"BF16", 16},   {"I64", 64},
    {"I32", 32},    {"I16", 16},    {"I8", 8},   {"U64", 64},    {"U32", 32},
    {"U16", 16},    {"U8", 8},      {"BOOL", 8}, {"C64", 64},    {"F8_E4M3", 8},
    {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
};

// The file is written on machines of this byte order only.
template <class Number>
Number number_at(std::string_view bytes, std::size_t at) {
    Number number{};
    std::memcpy(&number, bytes.data() + at, sizeof number);
    return number;
}

// nlohmann keeps the last of two equal keys, and another reader may keep the first.
Result<json> parse_header(std::string_view text) {
    bool too_deep = false;
    std::optional<std::string> twice;
    std::set<std::string> names;
    const auto look = [&](int depth, json::parse_event_t event, json& parsed) {
        too_deep = too_deep || depth > k_max_depth;
        if (event == json::parse_event_t::key && depth == 1 &&
            !names.insert(parsed.get<std::string>()).second) {
            twice = parsed.get<std::string>();
        }
        return !too_deep;
    };
    auto header = json::parse(text, look, false);
    if (too_deep || !header.is_object()) {
        return fail(Fault::invalid, "its header is not a JSON object of tensors");
    }
    if (twice) {
        return fail(Fault::invalid, "its header names '" + core::printable(*twice) + "' twice");
    }
    return header;
}

// Nothing: a dimension is no count, or the product is beyond any file.
std::optional<std::uint64_t> elements_of(const json& shape) {
    std::uint64_t product = 1;
    for (const auto& dimension : shape) {
        if (!dimension.is_number_unsigned() ||
            __builtin_mul_overflow(product, dimension.get<std::uint64_t>(), &product)) {
            return {};
        }
    }
    return product;
}

using Extent = std::pair<std::uint64_t, std::uint64_t>;

std::optional<Extent> extent_of(const json& offsets) {
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
        return {};
    }
    const Extent extent(offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>());
    return extent.first <= extent.second ? std::optional(extent) : std::nullopt;
}

Result<Extent> read_tensor(const std::string& name, const json& tensor) {
    const auto wrong = [&](std::string_view what) {
        return fail(Fault::invalid, fmt::format("tensor '{}' {}", core::printable(name), what));
    };
    if (!tensor.is_object() || !tensor.contains("dtype") || !tensor["dtype"].is_string() ||
        !tensor.contains("shape") || !tensor["shape"].is_array() ||
        !tensor.contains("data_offsets")) {
        return wrong("lacks dtype, shape or data_offsets");
    }
    const auto& said = tensor["dtype"].get_ref<const std::string&>();
    const auto* type = std::ranges::find(k_types, said, &Type::name);
    if (type == std::end(k_types)) {
        return wrong("is of the unknown type '" + core::printable(said, 20) + "'");
    }
    const auto elements = elements_of(tensor["shape"]);
    std::uint64_t bits = 0;
    if (!elements || __builtin_mul_overflow(*elements, type->bits, &bits) || bits % 8 != 0) {
        return wrong("has an impossible shape");
    }
    const auto extent = extent_of(tensor["data_offsets"]);
    if (!extent || extent->second - extent->first != bits / 8) {
        return wrong(fmt::format("of {} bytes has other data_offsets", bits / 8));
    }
    return *extent;
}

Result<std::uint64_t> size_of(const Path& file) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(file, error);
    if (error) {
        return core::fail_errno("look at " + file.string(), error.value());
    }
    return bytes;
}

Result<std::string> read_part(const Path& file, std::uint64_t from, std::uint64_t bytes) {
    std::string part(bytes, '\0');
    std::ifstream stream(file, std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(from));
    stream.read(part.data(), static_cast<std::streamsize>(bytes));
    if (!stream) {
        return fail(Fault::unavailable, "cannot be read", {.where = file.string()});
    }
    return part;
}

}  // namespace

Result<SafetensorsHeader> read_safetensors_header(std::string_view text) {
    const auto header = TRY(parse_header(text));
    std::vector<Extent> extents;
    for (const auto& [name, tensor] : header.items()) {
        if (name != "__metadata__") {
            extents.push_back(TRY(read_tensor(name, tensor)));
        }
    }
    if (extents.empty()) {
        return fail(Fault::invalid, "it has no tensors");
    }
    std::ranges::sort(extents);
    std::uint64_t end = 0;
    for (const auto& extent : extents) {
        if (extent.first != end) {
            return fail(Fault::invalid,
                        fmt::format("its tensors overlap or leave a gap at byte {}", end));
        }
        end = extent.second;
    }
    return SafetensorsHeader{.tensors = extents.size(), .data_bytes = end};
}

Result<void> check_safetensors(const Path& file) {
    const auto bytes = TRY(size_of(file));
    if (bytes < k_length_bytes) {
        return fail(Fault::invalid, fmt::format("{} bytes are no safetensors file", bytes));
    }
    const auto header_bytes = number_at<std::uint64_t>(TRY(read_part(file, 0, k_length_bytes)), 0);
    if (header_bytes > k_max_safetensors_header) {
        return fail(Fault::invalid,
                    fmt::format("no safetensors file: a header of {} bytes, at most {}",
                                header_bytes, k_max_safetensors_header));
    }
    if (bytes - k_length_bytes < header_bytes) {
        return fail(Fault::invalid, fmt::format("cut off within its header: {} bytes expected at "
                                                "least, {} are there",
                                                k_length_bytes + header_bytes, bytes));
    }
    const auto header =
        TRY(read_safetensors_header(TRY(read_part(file, k_length_bytes, header_bytes))));
    const auto rest = bytes - k_length_bytes - header_bytes;
    if (rest != header.data_bytes) {
        return fail(
            Fault::invalid,
            fmt::format("{}: {} bytes expected, {} are there",
                        rest < header.data_bytes ? "cut off" : "longer than its header says",
                        bytes - rest + header.data_bytes, bytes));
    }
    return {};
}

Result<void> check_gguf_head(std::string_view head, std::uint64_t file_bytes) {
    if (head.size() < k_gguf_head_bytes || !head.starts_with("GGUF")) {
        return fail(Fault::invalid, fmt::format("no GGUF file: it begins with '{}'",
                                                core::printable(head.substr(0, 4))));
    }
    const auto version = number_at<std::uint32_t>(head, 4);
    if (version != 2 && version != 3) {
        return fail(Fault::invalid,
                    fmt::format("GGUF of version {}; engines read 2 and 3", version));
    }
    const auto tensors = number_at<std::uint64_t>(head, 8);
    const auto keys = number_at<std::uint64_t>(head, 16);
    if (tensors > k_gguf_max_entries || keys > k_gguf_max_entries) {
        return fail(Fault::invalid,
                    fmt::format("it announces {} tensors and {} keys", tensors, keys));
    }
    const auto least = k_gguf_head_bytes + tensors * k_gguf_tensor_bytes + keys * k_gguf_key_bytes;
    if (file_bytes < least) {
        return fail(Fault::invalid, fmt::format("cut off: {} tensors and {} keys need {} bytes at "
                                                "least, {} are there",
                                                tensors, keys, least, file_bytes));
    }
    return {};
}

Result<void> check_gguf(const Path& file) {
    const auto bytes = TRY(size_of(file));
    const auto head = std::min<std::uint64_t>(bytes, k_gguf_head_bytes);
    return check_gguf_head(TRY(read_part(file, 0, head)), bytes);
}

}  // namespace sust::tune
