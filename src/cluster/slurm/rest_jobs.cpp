#include <optional>

#include <simdjson.h>

#include "cluster/node_names.h"
#include "cluster/slurm/rest_text.h"
#include "core/text.h"

// The list of jobs has every field of every job of the cluster, some megabytes for a thousand: it
// is gone through once in place, without a tree of it.

namespace sust::cluster::slurm {

using core::fail;
using core::Fault;

namespace {

constexpr std::size_t k_answer_bytes_max = 128 << 20;

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

// Of one job; what is of another type than it should be is absent.
struct ListedJob {
    std::int64_t id = 0;
    std::optional<std::pair<Token, std::int64_t>> ours{};
    std::string user{}, state{}, reason{}, nodes{};
};

// As text_of() reads it. Only trouble of the document itself is an error.
error_code read_text(ondemand::value value, std::string& text) {
    ondemand::json_type type{};
    if (const auto trouble = value.type().get(type); trouble != SUCCESS) {
        return trouble;
    }
    std::string_view said;
    if (type == ondemand::json_type::string) {
        const auto trouble = value.get_string().get(said);
        text = said;
        return trouble;
    }
    if (type != ondemand::json_type::array) {
        return SUCCESS;
    }
    ondemand::array list;
    if (const auto trouble = value.get_array().get(list); trouble != SUCCESS) {
        return trouble;
    }
    for (auto item : list) {
        ondemand::value first;
        if (const auto trouble = item.get(first); trouble != SUCCESS) {
            return trouble;
        }
        if (first.get_string().get(said) == SUCCESS) {
            text = said;
        }
        return SUCCESS;
    }
    return SUCCESS;
}

// As squeue says it in one word: a list has the state first, and then what happens to it.
error_code read_state(ondemand::value value, std::string& state) {
    ondemand::array list;
    if (value.get_array().get(list) != SUCCESS) {
        return read_text(value, state);
    }
    for (auto item : list) {
        ondemand::value one;
        if (const auto trouble = item.get(one); trouble != SUCCESS) {
            return trouble;
        }
        std::string_view said;
        if (one.get_string().get(said) == SUCCESS && (state.empty() || said == "COMPLETING")) {
            state = said;
        }
    }
    return SUCCESS;
}

error_code read_comment(ondemand::value value, ListedJob& job) {
    std::string text;
    const auto trouble = read_text(value, text);
    job.ours = parse_comment(text);
    return trouble;
}

error_code read_number(ondemand::value value, std::int64_t& number) {
    ondemand::json_type type{};
    if (const auto trouble = value.type().get(type); trouble != SUCCESS) {
        return trouble;
    }
    if (type == ondemand::json_type::number && value.get_int64().get(number) != SUCCESS) {
        number = 0;  // a fraction, or out of range
    }
    return SUCCESS;
}

// Of a hundred fields six are ours, most of which their first letter tells.
error_code read_field(const ondemand::raw_json_string& key, ondemand::value value, ListedJob& job) {
    switch (*key.raw()) {
        case 'c':
            return key == "comment" ? read_comment(value, job) : SUCCESS;
        case 'j':
            return key == "job_id"      ? read_number(value, job.id)
                   : key == "job_state" ? read_state(value, job.state)
                                        : SUCCESS;
        case 'n':
            return key == "nodes" ? read_text(value, job.nodes) : SUCCESS;
        case 's':
            return key == "state_reason" ? read_text(value, job.reason) : SUCCESS;
        case 'u':
            return key == "user_name" ? read_text(value, job.user) : SUCCESS;
        default:
            return SUCCESS;
    }
}

error_code read_job(ondemand::object object, ListedJob& job) {
    for (auto item : object) {
        ondemand::field field;
        if (const auto trouble = std::move(item).get(field); trouble != SUCCESS) {
            return trouble;
        }
        if (const auto trouble = read_field(field.key(), field.value(), job); trouble != SUCCESS) {
            return trouble;
        }
    }
    return SUCCESS;
}

error_code read_list(ondemand::array list, std::vector<QueueRow>& rows) {
    for (auto item : list) {
        ondemand::value value;
        ondemand::json_type type{};
        error_code trouble = item.get(value);
        trouble = trouble != SUCCESS ? trouble : value.type().get(type);
        if (trouble != SUCCESS) {
            return trouble;
        }
        if (type != ondemand::json_type::object) {
            continue;
        }
        ondemand::object object;
        ListedJob job;
        trouble = value.get_object().get(object);
        trouble = trouble != SUCCESS ? trouble : read_job(object, job);
        if (trouble != SUCCESS) {
            return trouble;
        }
        if (job.ours && job.id > 0) {
            rows.push_back({.id = std::to_string(job.id),
                            .token = std::move(job.ours->first),
                            .epoch = job.ours->second,
                            .user = std::move(job.user),
                            .state = std::move(job.state),
                            .reason = job.reason == "None" ? "" : core::printable(job.reason, 200),
                            .nodes = expand_nodes(job.nodes)});
        }
    }
    return SUCCESS;
}

// False where there is no list of jobs, which is not an empty one.
error_code read_root(ondemand::document& document, std::vector<QueueRow>& rows, bool& listed) {
    ondemand::object root;
    if (const auto trouble = document.get_object().get(root); trouble != SUCCESS) {
        return trouble;
    }
    for (auto item : root) {
        ondemand::field field;
        if (const auto trouble = std::move(item).get(field); trouble != SUCCESS) {
            return trouble;
        }
        ondemand::array list;
        if (listed || !(field.key() == "jobs") || field.value().get_array().get(list) != SUCCESS) {
            continue;
        }
        listed = true;
        if (const auto trouble = read_list(list, rows); trouble != SUCCESS) {
            return trouble;
        }
    }
    return SUCCESS;
}

}  // namespace

Result<std::vector<QueueRow>> read_jobs(std::string json) {
    const auto size = json.size();
    json.reserve(size + simdjson::SIMDJSON_PADDING);
    ondemand::parser parser(k_answer_bytes_max);
    ondemand::document document;
    std::vector<QueueRow> rows;
    bool listed = false;
    auto trouble = parser.iterate(simdjson::padded_string_view(json.data(), size, json.capacity()))
                       .get(document);
    trouble = trouble != SUCCESS ? trouble : read_root(document, rows, listed);
    if (trouble != SUCCESS) {
        return fail(Fault::unavailable, "slurmrestd's answer is no JSON");
    }
    return listed ? Result<std::vector<QueueRow>>(std::move(rows))
                  : fail(Fault::unavailable, "slurmrestd's answer has no list of jobs");
}

}  // namespace sust::cluster::slurm
