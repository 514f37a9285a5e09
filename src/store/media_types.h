#pragma once

// The media types and annotations that the store writes. docs/formats/artifacts.md explains them.

#include <string_view>

namespace sust::store {

// OCI image-spec 1.1
inline constexpr std::string_view k_manifest_type = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view k_index_type = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view k_empty_type = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view k_ref_name = "org.opencontainers.image.ref.name";
inline constexpr std::string_view k_title = "org.opencontainers.image.title";

// CNCF ModelPack
inline constexpr std::string_view k_model_type = "application/vnd.cncf.model.manifest.v1+json";
inline constexpr std::string_view k_model_config_type = "application/vnd.cncf.model.config.v1+json";
inline constexpr std::string_view k_weight_type = "application/vnd.cncf.model.weight.v1.raw";
inline constexpr std::string_view k_weight_config_type =
    "application/vnd.cncf.model.weight.config.v1.raw";
inline constexpr std::string_view k_doc_type = "application/vnd.cncf.model.doc.v1.raw";
inline constexpr std::string_view k_code_type = "application/vnd.cncf.model.code.v1.raw";
inline constexpr std::string_view k_dataset_type = "application/vnd.cncf.model.dataset.v1.raw";
inline constexpr std::string_view k_file_path = "org.cncf.model.filepath";
inline constexpr std::string_view k_file_metadata = "org.cncf.model.file.metadata+json";

// Environment images and statements
inline constexpr std::string_view k_squashfs_type = "application/x-squashfs";
inline constexpr std::string_view k_in_toto_type = "application/vnd.in-toto+json";
inline constexpr std::string_view k_slsa_provenance = "https://slsa.dev/provenance/v1";
inline constexpr std::string_view k_predicate_type = "in-toto.io/predicate-type";

// Ours
inline constexpr std::string_view k_image_lock_type = "application/vnd.sust.image.lock.v1+json";
inline constexpr std::string_view k_report_type = "application/vnd.sust.report.v1";
inline constexpr std::string_view k_kind = "dev.sust.kind";
inline constexpr std::string_view k_base = "dev.sust.base";

}  // namespace sust::store
