#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cluster/book.h"
#include "cluster/kubernetes/shape.h"

namespace sust::cluster {

struct KubernetesOptions {
    std::string name;  // of the back end: "rke2"
    // `book.jobs` is a directory of this machine: the words about jobs that pods cannot keep.
    BookOptions book;
    Path kubeconfig;                // empty: what every pod of a cluster is given
    std::string context;            // empty: its current one
    std::string space;              // namespace; empty: the kubeconfig's
    core::Environment environment;  // of this process, for credential plugins
    std::string agent_image;        // has /sust-agent, and need not have anything else
    std::string image;              // of jobs that name no environment; empty: those are refused
    std::map<std::string, std::string> images;   // environment name -> reference
    std::map<std::string, std::string> volumes;  // path that nodes see -> "host", "claim:NAME"
    std::map<std::string, std::string> node_selector;     // label -> value
    std::map<std::string, std::string> service_accounts;  // principal -> service account
    std::map<std::string, std::string> priority_classes;  // least priority -> class
    std::map<std::string, std::string> tolerations;       // taint's key -> value; "*": any value
    std::string gpu_resource = "nvidia.com/gpu";
    std::string gpu_label = "nvidia.com/gpu.product";  // of nodes, for a type that is asked for
    std::string queue;                                 // Kueue's local queue where a job names none
    std::string shape = std::string(kubernetes::k_pods);  // of jobs that do not say it
    std::vector<kubernetes::Shape> shapes;                // that are known besides our own pods
    std::string network;                                  // see Scheduler::network
    End deleted = End::cancelled;  // what a deletion is that nobody explains; or preempted
    bool host_network = false;
    bool fixed_nodes = true;  // what no node has is refused; false: nodes may be added
    Duration patience = std::chrono::seconds(30);        // for one call
    Duration start_patience = std::chrono::minutes(10);  // for images, and for all pods of a job
    Duration node_patience = std::chrono::minutes(1);    // for a node that is silent
};

// Jobs of a Kubernetes cluster: a pod for each of their nodes, through the API server's REST. Calls
// are made by the back end's own threads; one watch tells of all pods, whatever their number.
Result<std::unique_ptr<Scheduler>> open_kubernetes(KubernetesOptions options,
                                                   const core::Clock& clock, core::Log log);

}  // namespace sust::cluster
