#include "tune/model_check.h"

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tune/weights.h"

namespace sust::tune {

using core::fail;
using core::Fault;
using core::Result;
using nlohmann::json;

namespace {

// A configuration is a few KiB; an index names each tensor and is read once.
constexpr std::size_t k_max_json_bytes = 16 << 20;
constexpr std::size_t k_problems_shown = 8;
constexpr std::string_view k_index_ending = ".safetensors.index.json";

// Counts that shape a network, in Hugging Face's words.
constexpr const char* k_counts[] = {"vocab_size",          "hidden_size",
                                    "intermediate_size",   "num_hidden_layers",
                                    "num_attention_heads", "max_position_embeddings"};
constexpr const char* k_optional_counts[] = {"num_key_value_heads", "head_dim"};

class Check {
  public:
    Check(const std::vector<ModelFile>& files, store::Kind kind)
        : files_(files), kind_(kind), safetensors_(has(".safetensors")), gguf_(has(".gguf")) {}

    Result<void> run() {
        for (const auto& file : files_) {
            look_at(file);
        }
        look_for_weights();
        return verdict();
    }

  private:
    bool has(std::string_view ending) const {
        return std::ranges::any_of(
            files_, [&](const ModelFile& file) { return file.path.ends_with(ending); });
    }
    void blame(const std::string& path, const std::string& what) {
        problems_.push_back(core::printable(path) + ": " + what);
    }
    void blame_if(const std::string& path, const Result<void>& result) {
        if (!result) {
            blame(path, result.error().message);
        }
    }

    void look_at(const ModelFile& file) {
        if (file.path.ends_with(".safetensors")) {
            blame_if(file.path, check_safetensors(file.place));
        } else if (file.path.ends_with(".gguf")) {
            blame_if(file.path, check_gguf(file.place));
        } else if (file.path.ends_with(k_index_ending)) {
            look_at_index(file);
        } else if (file.path == "config.json" && kind_ == store::Kind::model) {
            look_at_config(file);
        } else if (file.path == "adapter_config.json" && kind_ == store::Kind::adapter) {
            look_at_adapter_config(file);
        }
    }

    std::optional<json> object_in(const ModelFile& file) {
        const auto text = core::read_file(file.place, k_max_json_bytes);
        if (!text) {
            blame(file.path, text.error().message);
            return {};
        }
        auto object = json::parse(*text, nullptr, false);
        if (!object.is_object()) {
            blame(file.path, object.is_discarded() ? "not JSON" : "JSON, but not an object");
            return {};
        }
        return object;
    }

    // Absent is fine where `required` is false; what is there is a count.
    void look_at_count(const std::string& path, const json& object, const char* key,
                       bool required) {
        const auto found = object.find(key);
        if (found == object.end() || found->is_null()) {
            if (required) {
                blame(path, fmt::format("'{}' is missing", key));
            }
        } else if (!found->is_number_integer() || found->get<std::int64_t>() <= 0) {
            blame(path, fmt::format("'{}' is to be a positive integer", key));
        }
    }

    // What trainers and converters read of a Llama is required; other networks have other words.
    // Beside a GGUF, which says all of it, it is decoration.
    void look_at_config(const ModelFile& file) {
        has_config_ = true;
        const auto config = object_in(file);
        if (!config || !safetensors_) {
            return;
        }
        const auto type = config->find("model_type");
        if (type == config->end() || !type->is_string()) {
            blame(file.path, "'model_type' is missing");
        }
        const bool is_llama = type != config->end() && *type == "llama";
        for (const char* key : k_counts) {
            look_at_count(file.path, *config, key, is_llama);
        }
        for (const char* key : k_optional_counts) {
            look_at_count(file.path, *config, key, false);
        }
    }

    void look_at_adapter_config(const ModelFile& file) {
        has_config_ = true;
        if (const auto config = object_in(file)) {
            look_at_count(file.path, *config, "r", false);
        }
    }

    // Shards are named relative to the index.
    void look_at_index(const ModelFile& file) {
        const auto index = object_in(file);
        if (!index) {
            return;
        }
        const auto map = index->find("weight_map");
        if (map == index->end() || !map->is_object()) {
            return blame(file.path, "'weight_map' is missing");
        }
        const auto folder = file.path.substr(0, file.path.rfind('/') + 1);
        std::set<std::string> named;
        for (const auto& [tensor, shard] : map->items()) {
            named.insert(shard.is_string() ? shard.get<std::string>() : std::string("?"));
        }
        for (const auto& shard : named) {
            if (std::ranges::find(files_, folder + shard, &ModelFile::path) == files_.end()) {
                blame(file.path,
                      fmt::format("names {}, which is not there", core::printable(shard)));
            }
        }
    }

    void look_for_weights() {
        if (!safetensors_ && !gguf_) {
            problems_.emplace_back(
                "no weights: no *.safetensors or *.gguf file (other formats are to be converted)");
        }
        if (!has_config_ && (safetensors_ || !gguf_)) {
            problems_.push_back(kind_ == store::Kind::adapter ? "no adapter_config.json"
                                                              : "no config.json");
        }
    }

    Result<void> verdict() const {
        if (problems_.empty()) {
            return {};
        }
        const auto shown = std::min(problems_.size(), k_problems_shown);
        auto message = fmt::format("not {} that can be used: {}",
                                   kind_ == store::Kind::adapter ? "an adapter" : "a model",
                                   core::join(std::span(problems_).first(shown), "; "));
        if (shown < problems_.size()) {
            message += fmt::format("; and {} more", problems_.size() - shown);
        }
        return fail(Fault::invalid, message,
                    {.hint = "download or copy these files again, then import the whole folder"});
    }

    const std::vector<ModelFile>& files_;
    store::Kind kind_;
    bool safetensors_;
    bool gguf_;
    bool has_config_ = false;
    std::vector<std::string> problems_;
};

}  // namespace

Result<void> check_model(const std::vector<ModelFile>& files, store::Kind kind) {
    return Check(files, kind).run();
}

}  // namespace sust::tune
