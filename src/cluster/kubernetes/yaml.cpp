#include "cluster/kubernetes/yaml.h"

#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "core/text.h"

namespace sust::cluster::kubernetes {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_bytes_max = 1 << 20;  // kubeconfigs with their certificates take kilobytes
constexpr std::size_t k_depth_max = 32;
constexpr std::size_t k_values_max = 20'000;

struct Refused {
    Fault fault;
    std::string message;
    int line;
};

// Builds the tree from the parser's events, so that nothing unbounded ever exists.
class Builder final : public YAML::EventHandler {
  public:
    Yaml take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        put(mark, anchor, Yaml::Kind::null, {});
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        const bool null = tag == "?" && (value == "null" || value == "~" || value.empty());
        put(mark, anchor, null ? Yaml::Kind::null : Yaml::Kind::text, value);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, anchor, Yaml::Kind::list);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, anchor, Yaml::Kind::map);
    }
    void OnMapEnd() override { close(); }

  private:
    // A list or map that is being read; of a map, the key whose value comes next.
    struct Level {
        Yaml value;
        std::string key{};
        bool has_key = false;
    };

    [[noreturn]] static void refuse_anchor(const YAML::Mark& mark) {
        throw Refused{Fault::invalid, "anchors and aliases are not read; write the value out",
                      mark.line + 1};
    }
    void check(const YAML::Mark& mark, YAML::anchor_t anchor) {
        if (anchor != YAML::NullAnchor) {
            refuse_anchor(mark);
        }
        if (++values_ > k_values_max) {
            throw Refused{Fault::too_large, fmt::format("more than {} values", k_values_max),
                          mark.line + 1};
        }
    }
    void put(const YAML::Mark& mark, YAML::anchor_t anchor, Yaml::Kind kind, std::string text) {
        check(mark, anchor);
        add({.kind = kind, .line = mark.line + 1, .text = std::move(text)});
    }
    void open(const YAML::Mark& mark, YAML::anchor_t anchor, Yaml::Kind kind) {
        check(mark, anchor);
        if (levels_.size() >= k_depth_max) {
            throw Refused{Fault::too_large, fmt::format("deeper than {} levels", k_depth_max),
                          mark.line + 1};
        }
        levels_.push_back({.value = {.kind = kind, .line = mark.line + 1}});
    }
    void close() {
        auto value = std::move(levels_.back().value);
        levels_.pop_back();
        add(std::move(value));
    }
    void add(Yaml value) {
        if (levels_.empty()) {
            root_ = std::move(value);
            return;
        }
        auto& level = levels_.back();
        if (level.value.kind == Yaml::Kind::list) {
            level.value.list.push_back(std::move(value));
        } else if (!level.has_key) {
            if (value.kind == Yaml::Kind::list || value.kind == Yaml::Kind::map) {
                throw Refused{Fault::invalid, "a key must be text", value.line};
            }
            level.key = std::move(value.text);
            level.has_key = true;
        } else {
            level.value.map.emplace_back(std::move(level.key), std::move(value));
            level.key.clear();
            level.has_key = false;
        }
    }

    Yaml root_;
    std::vector<Level> levels_;
    std::size_t values_ = 0;
};

}  // namespace

const Yaml* Yaml::find(std::string_view key) const {
    for (const auto& [name, value] : map) {
        if (name == key) {
            return &value;
        }
    }
    return nullptr;
}

Result<Yaml> parse_yaml(std::string_view text, const std::string& origin) {
    if (text.size() > k_bytes_max) {
        return fail(Fault::too_large, fmt::format("more than {}", core::format_size(k_bytes_max)),
                    {.where = origin});
    }
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        Builder builder;
        (void)parser.HandleNextDocument(builder);
        return builder.take();
    } catch (const Refused& refused) {
        return fail(refused.fault, refused.message,
                    {.where = fmt::format("{}:{}", origin, refused.line)});
    } catch (const YAML::Exception& trouble) {
        return fail(Fault::invalid, "not YAML: " + core::printable(trouble.msg),
                    {.where = fmt::format("{}:{}:{}", origin, trouble.mark.line + 1,
                                          trouble.mark.column + 1)});
    } catch (const std::exception& trouble) {
        return fail(Fault::invalid, "cannot be read as YAML: " + core::printable(trouble.what()),
                    {.where = origin});
    }
}

}  // namespace sust::cluster::kubernetes
