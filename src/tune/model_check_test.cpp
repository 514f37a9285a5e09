#include "tune/model_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tune/weights.h"

namespace sust::tune {
namespace {

using nlohmann::json;
using store::Kind;
using testing::HasSubstr;

std::string tensor_file(const json& header, const std::string& data) {
    const auto text = header.dump();
    std::string length(8, '\0');
    length[0] = static_cast<char>(text.size() & 0xFF);
    length[1] = static_cast<char>(text.size() >> 8);
    return length + text + data;
}

json one_tensor(std::size_t bytes) {
    return {{"w",
             {{"dtype", "U8"},
              {"shape", json::array({bytes})},
              {"data_offsets", json::array({0, bytes})}}}};
}

class ModelCheck : public testing::Test {
  protected:
    void put(const std::string& path, const std::string& bytes) {
        const auto place = home.path() / std::to_string(files.size());
        ASSERT_TRUE(core::write_file(place, bytes, 0600));
        files.push_back({.path = path, .place = place});
    }
    void put_config() { put("config.json", R"({"model_type": "any"})"); }
    std::string said(Kind kind = Kind::model) const {
        const auto checked = check_model(files, kind);
        return checked ? "fine" : checked.error().message;
    }

    core::TemporaryDirectory home =
        core::TemporaryDirectory::create(std::filesystem::temp_directory_path(), "model-").value();
    std::vector<ModelFile> files;
};

TEST_F(ModelCheck, TakesWeightsWithAConfiguration) {
    put_config();
    put("model.safetensors", tensor_file(one_tensor(4), "abcd"));
    EXPECT_EQ(said(), "fine");
}

TEST_F(ModelCheck, NamesATruncatedFileWithWhatIsThere) {
    put_config();
    const auto whole = tensor_file(one_tensor(400), std::string(400, 'x'));
    put("model.safetensors", whole.substr(0, whole.size() - 100));
    EXPECT_THAT(said(), HasSubstr("model.safetensors: cut off: " + std::to_string(whole.size()) +
                                  " bytes expected, " + std::to_string(whole.size() - 100)));
}

TEST_F(ModelCheck, NamesEveryProblemAtOnce) {
    put("config.json", "{");
    put("a.safetensors", "short");
    put("b.gguf", "no GGUF at all, but long enough");
    const auto problems = said();
    for (const char* part : {"config.json: ", "a.safetensors: 5 bytes", "b.gguf: no GGUF file"}) {
        EXPECT_THAT(problems, HasSubstr(part));
    }
}

TEST_F(ModelCheck, RefusesAFolderWithoutWeightsOrConfiguration) {
    put("train.jsonl", "{}");
    EXPECT_THAT(said(), HasSubstr("no weights"));
    EXPECT_THAT(said(), HasSubstr("no config.json"));
    EXPECT_THAT(said(Kind::adapter), HasSubstr("no adapter_config.json"));
}

TEST_F(ModelCheck, AnIndexNamesOnlyWhatIsThere) {
    put_config();
    put("model-00001.safetensors", tensor_file(one_tensor(4), "abcd"));
    put("model.safetensors.index.json",
        R"({"weight_map": {"a": "model-00001.safetensors", "b": "model-00002.safetensors"}})");
    EXPECT_THAT(said(), HasSubstr("names model-00002.safetensors, which is not there"));
}

TEST_F(ModelCheck, ALlamaNeedsItsCounts) {
    put("config.json", R"({"model_type": "llama", "hidden_size": 0})");
    put("model.safetensors", tensor_file(one_tensor(4), "abcd"));
    EXPECT_THAT(said(), HasSubstr("'vocab_size' is missing"));
    EXPECT_THAT(said(), HasSubstr("'hidden_size' is to be a positive integer"));
}

TEST_F(ModelCheck, TakesAdaptersAndGgufAlone) {
    put("model.gguf", std::string("GGUF\3\0\0\0", 8) + std::string(16, '\0'));
    EXPECT_EQ(said(), "fine");
    EXPECT_EQ(said(Kind::adapter), "fine");
    put("config.json", "{}");
    EXPECT_EQ(said(), "fine") << "a GGUF says all of it";
    put("a.safetensors", tensor_file(one_tensor(4), "abcd"));
    EXPECT_THAT(said(), HasSubstr("config.json: 'model_type' is missing"));
    EXPECT_THAT(said(Kind::adapter), HasSubstr("no adapter_config.json"));
    put("adapter_config.json", R"({"r": 4})");
    EXPECT_EQ(said(Kind::adapter), "fine");
}

TEST_F(ModelCheck, RefusesAConfigurationThatALoaderWouldStumbleOver) {
    put("model.safetensors", tensor_file(one_tensor(4), "abcd"));
    const std::pair<std::string, const char*> rows[] = {
        {"[]", "not an object"},
        {R"({"model_type": 1})", "'model_type' is missing"},
        {R"({"model_type": "any", "hidden_size": "8"})", "'hidden_size' is to be"},
        {R"({"model_type": "any", "head_dim": -1})", "'head_dim' is to be"},
        {std::string(200'000, '['), "not JSON"},
    };
    for (const auto& [text, reason] : rows) {
        files.resize(1);
        put("config.json", text);
        EXPECT_THAT(said(), HasSubstr(reason));
    }
}

TEST_F(ModelCheck, KeepsTheMessageShort) {
    put_config();
    for (int i = 0; i < 500; ++i) {
        put("shard-" + std::to_string(i) + ".safetensors", "x");
    }
    EXPECT_THAT(said(), HasSubstr("and 492 more"));
    EXPECT_LT(said().size(), 2000U);
}

TEST(Weights, HeadersThatContradictThemselvesAreRefused) {
    const auto reason = [](const std::string& text) {
        const auto header = read_safetensors_header(text);
        return header ? std::string("fine") : header.error().message;
    };
    EXPECT_EQ(reason(one_tensor(4).dump()), "fine");
    EXPECT_THAT(reason("[]"), HasSubstr("not a JSON object"));
    EXPECT_THAT(reason("{}"), HasSubstr("no tensors"));
    EXPECT_THAT(reason(R"({"w":{"dtype":"U9","shape":[1],"data_offsets":[0,1]}})"),
                HasSubstr("unknown type 'U9'"));
    EXPECT_THAT(reason(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}})"),
                HasSubstr("of 8 bytes has other data_offsets"));
    EXPECT_THAT(reason(R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})"),
                HasSubstr("gap at byte 0"));
    EXPECT_THAT(
        reason(R"({"w":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]}})"),
        HasSubstr("impossible shape"));
    const std::string twice = R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
    EXPECT_THAT(reason("{" + twice + "," + twice + "}"), HasSubstr("names 'w' twice"));
}

TEST(Weights, AGgufHasItsMagicAKnownVersionAndRoom) {
    const auto reason = [](std::string head, std::uint64_t bytes) {
        head.resize(24, '\0');
        const auto checked = check_gguf_head(head, bytes);
        return checked ? std::string("fine") : checked.error().message;
    };
    EXPECT_EQ(reason(std::string("GGUF\3\0\0\0", 8), 24), "fine");
    EXPECT_THAT(reason("GGML", 24), HasSubstr("no GGUF file"));
    EXPECT_THAT(reason(std::string("GGUF\1\0\0\0", 8), 24), HasSubstr("version 1"));
    EXPECT_THAT(reason(std::string("GGUF\3\0\0\0\2\0\0\0", 12), 24), HasSubstr("cut off"));
}

}  // namespace
}  // namespace sust::tune
