#include "tune/weights.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sust::tune {
namespace {

using testing::HasSubstr;

constexpr std::string_view k_two =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
    R"("b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}})";

template <class Number>
std::string bytes_of(Number number) {
    return {reinterpret_cast<const char*>(&number), sizeof number};
}

std::string gguf(std::uint32_t version, std::uint64_t tensors, std::uint64_t keys) {
    return "GGUF" + bytes_of(version) + bytes_of(tensors) + bytes_of(keys);
}

class WeightFiles : public testing::Test {
  protected:
    std::string problem(const std::string& bytes) {
        const auto file = folder.path() / "model.safetensors";
        EXPECT_TRUE(core::write_file(file, bytes));
        const auto checked = check_safetensors(file);
        return checked ? "" : checked.error().message;
    }
    static std::string file_of(std::string_view header, std::size_t data) {
        return bytes_of(std::uint64_t{header.size()}) + std::string(header) +
               std::string(data, 'x');
    }
    core::TemporaryDirectory folder = *core::TemporaryDirectory::create("/tmp", "weights");
};

TEST(SafetensorsHeaders, TellTheirTensorsAndTheBytesThatFollow) {
    const auto header = read_safetensors_header(k_two);
    ASSERT_TRUE(header) << core::to_string(header.error());
    EXPECT_EQ(header->tensors, 2U);
    EXPECT_EQ(header->data_bytes, 16U);
}

TEST(SafetensorsHeaders, ThatContradictThemselvesAreRefusedByTheTensorsName) {
    const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
        return R"({"w":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) +
               R"(,"data_offsets":)" + std::string(offsets) + "}}";
    };
    EXPECT_TRUE(read_safetensors_header(one("F4", "[4]", "[0,2]")));
    const std::pair<std::string, std::string> rows[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "no tensors"},
        {R"({"__metadata__":{}})", "no tensors"},
        {R"({"w":1})", "'w' lacks"},
        {R"({"w":{"dtype":"F32","shape":[1]}})", "'w' lacks"},
        {one("F33", "[1]", "[0,4]"), "unknown type 'F33'"},
        {one("F32", "[-1]", "[0,4]"), "impossible shape"},
        {one("F32", "[1.5]", "[0,4]"), "impossible shape"},
        {one("F32", "[4294967296,4294967296]", "[0,4]"), "impossible shape"},
        {one("F32", "[4611686018427387904]", "[0,0]"), "impossible shape"},
        {one("F4", "[3]", "[0,2]"), "impossible shape"},
        {one("F32", "[2]", "[0,4]"), "8 bytes has other data_offsets"},
        {one("F32", "[1]", "[4,0]"), "other data_offsets"},
        {one("F32", "[1]", "[0,4,8]"), "other data_offsets"},
        {one("F32", "[1]", "[4,8]"), "gap at byte 0"},
        {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
         R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
         "at byte 2"},
        {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
         R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
         "'a' twice"},
        {std::string(100'000, '['), "not a JSON object"},
        {R"({"a":)" + std::string(100'000, '['), "not a JSON object"},
    };
    for (const auto& [text, said] : rows) {
        const auto header = read_safetensors_header(text);
        ASSERT_FALSE(header) << text.substr(0, 200);
        EXPECT_THAT(header.error().message, HasSubstr(said)) << text.substr(0, 200);
        EXPECT_EQ(header.error().fault, core::Fault::invalid);
    }
}

TEST_F(WeightFiles, OfSafetensorsHaveExactlyTheBytesThatTheHeaderAnnounces) {
    const auto whole = file_of(k_two, 16);
    EXPECT_EQ(problem(whole), "");
    const auto expected = std::to_string(whole.size()) + " bytes expected, ";
    EXPECT_EQ(problem(file_of(k_two, 15)),
              "cut off: " + expected + std::to_string(whole.size() - 1) + " are there");
    EXPECT_THAT(problem(file_of(k_two, 17)), HasSubstr("longer than its header says: " + expected));
    EXPECT_THAT(problem(whole.substr(0, 50)), HasSubstr("cut off within its header"));
    EXPECT_THAT(problem(whole.substr(0, 7)), HasSubstr("7 bytes are no safetensors file"));
    EXPECT_THAT(problem(""), HasSubstr("no safetensors file"));
    EXPECT_THAT(problem("<!DOCTYPE html><html>not found"), HasSubstr("no safetensors file"));
    EXPECT_THAT(problem(bytes_of(~std::uint64_t{0}) + "{}"), HasSubstr("no safetensors file"));
}

TEST(GgufHeads, AnnounceNoMoreThanTheFileHasRoomFor) {
    const std::uint64_t least = 24 + 2 * 24 + 3 * 13;
    EXPECT_TRUE(check_gguf_head(gguf(3, 2, 3), least));
    EXPECT_TRUE(check_gguf_head(gguf(2, 2, 3), least));
    const std::tuple<std::string, std::uint64_t, std::string> rows[] = {
        {"", 0, "no GGUF file"},
        {"GGUF", 4, "no GGUF file"},
        {"GGML" + gguf(3, 1, 1), 1000, "begins with 'GGML'"},
        {gguf(1, 2, 3), 1000, "version 1"},
        {gguf(0x03000000, 2, 3), 1000, "version 50331648"},
        {gguf(3, 2, 3), least - 1, "111 bytes at least, 110 are there"},
        {gguf(3, ~0ULL, 3), 1000, "announces"},
        {gguf(3, 1, ~0ULL), 1000, "announces"},
    };
    for (const auto& [head, bytes, said] : rows) {
        const auto checked = check_gguf_head(head, bytes);
        ASSERT_FALSE(checked) << said;
        EXPECT_THAT(checked.error().message, HasSubstr(said));
    }
}

}  // namespace
}  // namespace sust::tune
